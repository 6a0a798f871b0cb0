// Copyright: (c) 2026, kubestead contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// In the place of nfs-subdir-external-provisioner, whose module is not to be had: a directory of the export for each
// claim, on the same library and with the same settings (PROVISIONER_NAME, NFS_SERVER, NFS_PATH, the export at
// /persistentvolumes, and the class's onDelete, archiveOnDelete and pathPattern).
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const mounted = "/persistentvolumes"

var placeholder = regexp.MustCompile(`\$\{\.PVC\.(labels\.|annotations\.)?([^}]+)\}`)

type provisioner struct {
	client       kubernetes.Interface
	server, path string
}

// folder is where a claim's data is, below the export.
func folder(options controller.ProvisionOptions) string {
	claim := options.PVC
	own := fmt.Sprintf("%s-%s-%s", claim.Namespace, claim.Name, options.PVName)
	pattern := options.StorageClass.Parameters["pathPattern"]
	if pattern == "" {
		return own
	}
	return placeholder.ReplaceAllStringFunc(pattern, func(found string) string {
		match := placeholder.FindStringSubmatch(found)
		switch match[1] {
		case "labels.":
			return claim.Labels[match[2]]
		case "annotations.":
			return claim.Annotations[match[2]]
		}
		return map[string]string{"name": claim.Name, "namespace": claim.Namespace}[match[2]]
	})
}

func (p *provisioner) Provision(_ context.Context, options controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	name := folder(options)
	place := filepath.Join(mounted, name)
	if err := os.MkdirAll(place, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Whoever a pod runs as may write; the umask would not have it.
	if err := os.Chmod(place, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: options.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   options.PVC.Spec.AccessModes,
			MountOptions:                  options.StorageClass.MountOptions,
			Capacity:                      core.ResourceList{core.ResourceStorage: options.PVC.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeSource: core.PersistentVolumeSource{
				NFS: &core.NFSVolumeSource{Server: p.server, Path: filepath.Join(p.path, name)},
			},
		},
	}, controller.ProvisioningFinished, nil
}

func (p *provisioner) Delete(ctx context.Context, volume *core.PersistentVolume) error {
	name, err := filepath.Rel(p.path, volume.Spec.NFS.Path)
	if err != nil || !filepath.IsLocal(name) {
		return fmt.Errorf("%s is not below %s", volume.Spec.NFS.Path, p.path)
	}
	place := filepath.Join(mounted, name)
	if _, err := os.Stat(place); os.IsNotExist(err) {
		return nil
	}
	class, err := p.client.StorageV1().StorageClasses().Get(ctx, volume.Spec.StorageClassName, meta.GetOptions{})
	if err != nil {
		return err
	}
	switch {
	case class.Parameters["onDelete"] == "retain":
		return nil
	case class.Parameters["onDelete"] == "delete", class.Parameters["archiveOnDelete"] == "false":
		return os.RemoveAll(place)
	}
	return os.Rename(place, filepath.Join(mounted, "archived-"+filepath.Base(place)))
}

func setting(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("%s is not set", name)
	}
	return value
}

func main() {
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	own := &provisioner{client: client, server: setting("NFS_SERVER"), path: setting("NFS_PATH")}
	controller.NewProvisionController(ctx, client, setting("PROVISIONER_NAME"), own, controller.LeaderElection(os.Getenv("ENABLE_LEADER_ELECTION") != "false")).Run(ctx)
}
