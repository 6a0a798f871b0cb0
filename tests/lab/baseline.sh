#!/usr/bin/env bash
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The practical limit: what a careful person would do by hand, in parallel, to turn a lab's bare nodes into the same
# highly available cluster that the collection makes. Usage: baseline.sh LAB. Prints the seconds since its start at
# the end of each phase. It does only what is needed, checks nothing and can run only once.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
lab=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

facts=$(cd "$here" && python3 -m tests.lab show "$lab")
ask() { python3 -c "import json, sys; lab = json.load(sys.stdin); print($1)" <<<"$facts"; }
version=$(ask 'lab["version"]')
vip=$(ask 'lab["vip"]')
mirror=$(ask 'lab["mirror"]')
fingerprint=$(ask 'lab["key_fingerprint"]')
mapfile -t control_planes < <(ask '"\n".join(n for n, v in lab["nodes"].items() if v["role"] == "kube_control_plane")')
mapfile -t workers < <(ask '"\n".join(n for n, v in lab["nodes"].items() if v["role"] == "kube_node")')
address() { ask "lab['nodes']['$1']['address']"; }
declare -A addresses
for node in "${control_planes[@]}" "${workers[@]}"; do addresses[$node]=$(address "$node"); done
first=${control_planes[0]}
peers=$(for node in "${control_planes[@]}"; do printf '%s ' "${addresses[$node]}"; done)
token=$(python3 -c 'import secrets; print(f"{secrets.token_hex(3)}.{secrets.token_hex(8)}")')
certificate_key=$(python3 -c 'import secrets; print(secrets.token_hex(32))')
ignore=SystemVerification,Swap,FileContent--proc-sys-net-bridge-bridge-nf-call-iptables,NumCPU,Mem

on() { docker exec -i "kubestead-$lab-$1" "${@:2}"; }
phase() { awk -v start="$start" -v now="$EPOCHREALTIME" -v what="$*" 'BEGIN {printf "%6.1f  %s\n", now - start, what}'; }
jobs=()
finish() { # finish LOG: waits for all background jobs; shows their logs if one failed
  local status=0 job
  for job in "${jobs[@]}"; do wait "$job" || status=1; done
  jobs=()
  if [ $status = 1 ]; then tail -n 20 "$work"/*."$1".log >&2; exit 1; fi
}

cat >"$work/prepare.sh" <<PREPARE
set -e
export DEBIAN_FRONTEND=noninteractive
echo "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] http://$mirror:8081/deb/ /" >/etc/apt/sources.list.d/kubernetes.list
install -d /etc/apt/keyrings
curl -fsS http://$mirror:8081/deb/Release.key -o /etc/apt/keyrings/kubernetes.asc
apt-get update -qq
install -d /etc/containerd/certs.d/$mirror:5000
cat >/etc/containerd/config.toml <<EOT
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$mirror:5000/pause:3.10.2"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
EOT
printf '[host."http://$mirror:5000"]\n  capabilities = ["pull", "resolve"]\n' >/etc/containerd/certs.d/$mirror:5000/hosts.toml
packages="containerd runc iptables nftables conntrack socat ethtool ipset kubeadm=$version-* kubelet=$version-* kubectl=$version-*"
if [ "\$1" = control-plane ]; then packages="\$packages keepalived haproxy"; fi
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold \$packages >/dev/null
sysctl -qw net.ipv4.ip_forward=1
echo "runtime-endpoint: unix:///run/containerd/containerd.sock" >/etc/crictl.yaml
systemctl enable -q --now containerd kubelet
[ "\$1" = control-plane ] || exit 0
cat >/etc/haproxy/haproxy.cfg <<EOT
global
  log /dev/log local0
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
frontend api
  bind *:8443
  default_backend control-planes
backend control-planes
  option httpchk GET /readyz
  http-check expect status 200
  default-server check check-ssl verify none inter 500ms fall 2 rise 2 on-marked-down shutdown-sessions
$(for node in "${control_planes[@]}"; do echo "  server $node ${addresses[$node]}:6443"; done)
EOT
cat >/etc/keepalived/keepalived.conf <<EOT
global_defs {
  enable_script_security
  script_user root
  vrrp_version 3
}
vrrp_script haproxy {
  script "/usr/bin/curl -fsk -o /dev/null https://127.0.0.1:8443/readyz"
  interval 1
  fall 2
  rise 1
  timeout 2
}
vrrp_instance api {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 51
  priority \$((100 - \${2##*.}))
  advert_int 0.2
  unicast_src_ip \$2
  unicast_peer {
\$(for peer in $peers; do [ \$peer = \$2 ] || echo "    \$peer"; done)
  }
  virtual_ipaddress {
    $vip/24
  }
}
EOT
systemctl restart haproxy keepalived
PREPARE

cat >"$work/init.yaml" <<EOT
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{token: "$token"}]
certificateKey: "$certificate_key"
localAPIEndpoint: {advertiseAddress: ${addresses[$first]}}
nodeRegistration: {criSocket: "unix:///run/containerd/containerd.sock"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v$version
controlPlaneEndpoint: $vip:8443
imageRepository: $mirror:5000
etcd: {local: {extraArgs: [{name: unsafe-no-fsync, value: "true"}]}}
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failSwapOn: false
failCgroupV1: false
oomScoreAdj: 0
cgroupDriver: systemd
evictionHard: {memory.available: 100Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0, min: 0}
oomScoreAdj: 0
EOT

start=$EPOCHREALTIME
for node in "${control_planes[@]}"; do
  on "$node" bash -s control-plane "${addresses[$node]}" <"$work/prepare.sh" >"$work/$node.prepare.log" 2>&1 &
  jobs+=($!)
done
for node in "${workers[@]}"; do
  on "$node" bash -s worker <"$work/prepare.sh" >"$work/$node.prepare.log" 2>&1 &
  jobs+=($!)
done
finish prepare
phase prepared

pull='for image in "$@"; do crictl pull -q "$image"; done'
mapfile -t images < <(on "$first" kubeadm config images list --kubernetes-version "v$version" \
  --image-repository "$mirror:5000" | grep -v coredns)
mapfile -t flannel < <(curl -fsS "http://$mirror:8081/flannel/kube-flannel.yml" \
  | sed -n "s,.*image: ghcr.io/,$mirror:5000/,p" | sort -u)
for node in "${control_planes[@]:1}"; do on "$node" bash -c "$pull" pull "${images[@]}" "${flannel[@]}" >/dev/null 2>&1 & done
for node in "${workers[@]}"; do
  on "$node" bash -c "$pull" pull "$mirror:5000/kube-proxy:v$version" "${flannel[@]}" >/dev/null 2>&1 &
done
on "$first" bash -c 'cat >/root/init.yaml' <"$work/init.yaml"
on "$first" kubeadm init --config /root/init.yaml --upload-certs --ignore-preflight-errors=$ignore \
  >"$work/init.log" 2>&1 || { tail -n 20 "$work/init.log" >&2; exit 1; }
phase "kubeadm init"

kubectl="kubectl --kubeconfig /etc/kubernetes/admin.conf"
curl -fsS "http://$mirror:8081/flannel/kube-flannel.yml" | sed "s,image: ghcr.io/,image: $mirror:5000/," \
  | on "$first" $kubectl apply -f - >/dev/null
hash=$(on "$first" sh -c \
  'openssl x509 -pubkey -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum' | cut -d' ' -f1)
join=(kubeadm join "$vip:8443" --token "$token" --discovery-token-ca-cert-hash "sha256:$hash"
  "--ignore-preflight-errors=$ignore")
for node in "${workers[@]}"; do
  { on "$node" "${join[@]}" >"$work/$node.join.log" 2>&1 && phase "$node joined"; } &
  jobs+=($!)
done
for node in "${control_planes[@]:1}"; do
  { on "$node" "${join[@]}" --control-plane --certificate-key "$certificate_key" >"$work/$node.join.log" 2>&1 \
    && phase "$node joined"; } &
  jobs+=($!)
done
finish join
count=$((${#control_planes[@]} + ${#workers[@]}))
until [ "$(on "$first" $kubectl get nodes --no-headers 2>/dev/null | grep -c ' Ready')" = $count ]; do sleep 0.5; done
phase "all Ready"
on "$first" $kubectl get nodes
