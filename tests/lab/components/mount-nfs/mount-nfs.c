/* Copyright: (c) 2026, kubestead contributors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mount.nfs for machines whose kernel has no NFS client: NFS 4.0 by libnfs, shown to the kernel by FUSE.
 *
 * Called as mount(8) calls its helpers: mount.nfs SERVER:/PATH DIRECTORY [-rwnsvfh] [-o OPTIONS]. It mounts hard:
 * whatever the server has lost of us by a restart is made again, and the operation is repeated. The server sees root,
 * so exports need no_root_squash; who may do what is checked by this machine's kernel. Versions and other settings of
 * NFS among the options are accepted and mean nothing here.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-nfs4.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CALL_SECONDS 10
#define RETRY_SECONDS 600
/* libnfs 4.0 puts a call together in 4 KiB. */
#define WRITE_SIZE 2048
#define EXIT_USAGE 1
#define EXIT_FAILED 32 /* mount(8): the mount failed */

static const char *server, *path;
static struct nfs_context *nfs;
/* Rises with every connection: what was opened on an older one has to be opened again. */
static unsigned generation;

struct opened {
    struct nfsfh *handle;
    unsigned generation;
    int flags;
};

static int connect_server(void)
{
    static const int version = NFS_V4;
    char name[128], verifier[NFS4_VERIFIER_SIZE];
    if (nfs)
        nfs_destroy_context(nfs);
    nfs = nfs_init_context();
    if (!nfs)
        return -ENOMEM;
    if (getrandom(verifier, sizeof verifier, 0) != sizeof verifier)
        return -EIO;
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "mount.nfs %s %d %ld %u", host, getpid(), (long)time(NULL), ++generation);
    nfs_set_version(nfs, version);
    nfs4_set_client_name(nfs, name);
    nfs4_set_verifier(nfs, verifier);
    nfs_set_autoreconnect(nfs, 0);
    nfs_set_timeout(nfs, CALL_SECONDS * 1000);
    nfs_set_dircache(nfs, 0);
    return nfs_mount(nfs, server, path);
}

/* Answers that a server gives about files; everything else is about the connection, a lease or a grace period. */
static bool final(int result)
{
    switch (-result) {
    case ENOENT: case EEXIST: case ENOTEMPTY: case EACCES: case EPERM: case ENOTDIR: case EISDIR: case ENOSPC:
    case EDQUOT: case EROFS: case ENAMETOOLONG: case EXDEV: case EMLINK: case EFBIG: case ELOOP: case ENOTSUP:
    case ENOSYS: case ENXIO: case ENODEV: case ENOMEM:
        return true;
    }
    return result >= 0;
}

/* Whether to try again, after a new connection. */
static bool again(int result, time_t end)
{
    if (final(result) || time(NULL) > end)
        return false;
    do {
        sleep(1);
    } while (connect_server() < 0 && time(NULL) <= end);
    return true;
}

#define REPEAT(result, expression) \
    do { \
        time_t end = time(NULL) + RETRY_SECONDS; \
        do { \
            result = (expression); \
        } while (again(result, end)); \
    } while (0)
#define ANSWER(expression) \
    do { \
        int result; \
        REPEAT(result, expression); \
        return result < 0 ? result : 0; \
    } while (0)

static void *op_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->use_ino = 1;
    /* Another node's change is seen at once. */
    config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
    return NULL;
}

static int op_getattr(const char *name, struct stat *out, struct fuse_file_info *info)
{
    (void)info;
    struct nfs_stat_64 found;
    int result;
    REPEAT(result, nfs_lstat64(nfs, name, &found));
    if (result < 0)
        return result;
    *out = (struct stat){
        .st_ino = found.nfs_ino, .st_mode = found.nfs_mode, .st_nlink = found.nfs_nlink, .st_uid = found.nfs_uid,
        .st_gid = found.nfs_gid, .st_rdev = found.nfs_rdev, .st_size = found.nfs_size,
        .st_blksize = found.nfs_blksize, .st_blocks = (found.nfs_used + 511) / 512,
        .st_atim = {found.nfs_atime, found.nfs_atime_nsec}, .st_mtim = {found.nfs_mtime, found.nfs_mtime_nsec},
        .st_ctim = {found.nfs_ctime, found.nfs_ctime_nsec},
    };
    return 0;
}

static int op_readlink(const char *name, char *out, size_t size)
{
    ANSWER(nfs_readlink(nfs, name, out, (int)size));
}

/* libnfs changes attributes through an open file, which a directory can't be: SETATTR by its path does for both. */
#define COMPONENTS 128

struct attributes {
    uint32_t mask[2];
    char data[256];
    u_int size;
};

static void put(struct attributes *wanted, const void *data, size_t size)
{
    memcpy(wanted->data + wanted->size, data, size);
    wanted->size += (u_int)size;
}

static void put_number(struct attributes *wanted, uint32_t number)
{
    number = htobe32(number);
    put(wanted, &number, sizeof number);
}

/* Attributes stand in the order of their numbers, all that are used here in the second word of the mask. */
static void select_attribute(struct attributes *wanted, unsigned number)
{
    wanted->mask[1] |= 1U << (number - 32);
}

static void put_owner(struct attributes *wanted, unsigned number, unsigned id)
{
    char text[16] = "";
    int length = snprintf(text, sizeof text, "%u", id);
    if (id == (unsigned)-1)
        return;
    select_attribute(wanted, number);
    put_number(wanted, (uint32_t)length);
    put(wanted, text, ((size_t)length + 3) / 4 * 4);
}

static void put_time(struct attributes *wanted, unsigned number, const struct timespec *time)
{
    if (time->tv_nsec == UTIME_OMIT)
        return;
    select_attribute(wanted, number);
    put_number(wanted, time->tv_nsec == UTIME_NOW ? SET_TO_SERVER_TIME4 : SET_TO_CLIENT_TIME4);
    if (time->tv_nsec == UTIME_NOW)
        return;
    put_number(wanted, (uint32_t)((uint64_t)time->tv_sec >> 32));
    put_number(wanted, (uint32_t)time->tv_sec);
    put_number(wanted, (uint32_t)time->tv_nsec);
}

static void answered(struct rpc_context *rpc, int status, void *data, void *private_data)
{
    (void)rpc;
    int *result = private_data;
    if (status != RPC_STATUS_SUCCESS)
        *result = -EIO;
    else
        *result = nfsstat4_to_errno((int)((COMPOUND4res *)data)->status);
}

static int setattr_once(const char *name, struct attributes *wanted)
{
    nfs_argop4 steps[COMPONENTS + 2] = {{.argop = OP_PUTROOTFH}};
    u_int count = 1;
    const char *parts[] = {path, name};
    for (int which = 0; which < 2; which++)
        for (const char *at = parts[which]; *at;) {
            size_t length = strcspn(at, "/");
            if (length) {
                if (count > COMPONENTS)
                    return -ENAMETOOLONG;
                steps[count].argop = OP_LOOKUP;
                steps[count].nfs_argop4_u.oplookup.objname = (component4){(u_int)length, (char *)at};
                count++;
            }
            at += length + (at[length] == '/');
        }
    steps[count].argop = OP_SETATTR;
    steps[count].nfs_argop4_u.opsetattr.obj_attributes =
        (fattr4){{2, wanted->mask}, {wanted->size, wanted->data}};
    COMPOUND4args call = {.argarray = {count + 1, steps}};
    /* Of a call that was given up, the answer comes when its connection ends. */
    static int result;
    result = 1;
    if (rpc_nfs4_compound_async(nfs_get_rpc_context(nfs), answered, &call, &result) != 0)
        return -ENOMEM;
    time_t end = time(NULL) + CALL_SECONDS;
    while (result == 1) {
        struct pollfd wait = {.fd = nfs_get_fd(nfs), .events = (short)nfs_which_events(nfs)};
        if (poll(&wait, 1, 1000) < 0 || nfs_service(nfs, wait.revents) < 0 || time(NULL) > end)
            return -EIO;
    }
    return result;
}

static int set_attributes(const char *name, struct attributes *wanted)
{
    ANSWER(setattr_once(name, wanted));
}

static int op_chmod(const char *name, mode_t mode, struct fuse_file_info *info)
{
    (void)info;
    struct attributes wanted = {0};
    select_attribute(&wanted, FATTR4_MODE);
    put_number(&wanted, mode & 07777);
    return set_attributes(name, &wanted);
}

static int op_chown(const char *name, uid_t uid, gid_t gid, struct fuse_file_info *info)
{
    (void)info;
    struct attributes wanted = {0};
    put_owner(&wanted, FATTR4_OWNER, uid);
    put_owner(&wanted, FATTR4_OWNER_GROUP, gid);
    return set_attributes(name, &wanted);
}

static int op_utimens(const char *name, const struct timespec times[2], struct fuse_file_info *info)
{
    (void)info;
    struct attributes wanted = {0};
    put_time(&wanted, FATTR4_TIME_ACCESS_SET, &times[0]);
    put_time(&wanted, FATTR4_TIME_MODIFY_SET, &times[1]);
    return set_attributes(name, &wanted);
}

/* What is new belongs to whoever made it, not to root, as whom the server sees us. */
static int give(const char *name)
{
    struct fuse_context *caller = fuse_get_context();
    return caller->uid == 0 && caller->gid == 0 ? 0 : op_chown(name, caller->uid, caller->gid, NULL);
}

static int op_mknod(const char *name, mode_t mode, dev_t device)
{
    int result;
    REPEAT(result, nfs_mknod(nfs, name, (int)mode, (int)device));
    return result < 0 ? result : give(name);
}

static int op_mkdir(const char *name, mode_t mode)
{
    int result;
    REPEAT(result, nfs_mkdir2(nfs, name, (int)mode));
    return result < 0 ? result : give(name);
}

static int op_symlink(const char *target, const char *name)
{
    int result;
    REPEAT(result, nfs_symlink(nfs, target, name));
    return result < 0 ? result : give(name);
}

static int op_unlink(const char *name)
{
    ANSWER(nfs_unlink(nfs, name));
}

static int op_rmdir(const char *name)
{
    ANSWER(nfs_rmdir(nfs, name));
}

static int op_rename(const char *from, const char *to, unsigned flags)
{
    if (flags)
        return -EINVAL;
    ANSWER(nfs_rename(nfs, from, to));
}

static int op_link(const char *from, const char *to)
{
    ANSWER(nfs_link(nfs, from, to));
}

static int op_truncate(const char *name, off_t size, struct fuse_file_info *info)
{
    (void)info;
    ANSWER(nfs_truncate(nfs, name, (uint64_t)size));
}

/* The file on today's connection; reading past an older one would only bring its stale state back. */
static int reopen(const char *name, struct opened *file)
{
    if (file->handle && file->generation == generation)
        return 0;
    int result = nfs_open2(nfs, name, file->flags, 0, &file->handle);
    if (result < 0) {
        file->handle = NULL;
        return result;
    }
    file->generation = generation;
    return 0;
}

static int open_file(const char *name, int flags, mode_t mode, struct fuse_file_info *info)
{
    struct opened *file = calloc(1, sizeof *file);
    int result;
    if (!file)
        return -ENOMEM;
    REPEAT(result, nfs_open2(nfs, name, flags, (int)mode, &file->handle));
    if (result < 0) {
        free(file);
        return result;
    }
    file->generation = generation;
    file->flags = flags & O_ACCMODE;
    info->fh = (uintptr_t)file;
    return 0;
}

static int op_open(const char *name, struct fuse_file_info *info)
{
    /* The kernel gives every write its place, also when appending; it truncates by a call of its own. */
    return open_file(name, info->flags & O_ACCMODE, 0, info);
}

static int op_create(const char *name, mode_t mode, struct fuse_file_info *info)
{
    int result = open_file(name, (info->flags & O_ACCMODE) | O_CREAT, mode & 07777, info);
    if (result < 0)
        return result;
    /* libnfs creates exclusively: the server then has neither mode nor times of ours yet. */
    static const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    result = op_chmod(name, mode, info);
    if (result == 0)
        result = op_utimens(name, now, info);
    return result < 0 ? result : give(name);
}

static int read_once(const char *name, struct opened *file, char *out, size_t size, off_t offset)
{
    int result = reopen(name, file);
    return result < 0 ? result : nfs_pread(nfs, file->handle, (uint64_t)offset, size, out);
}

static int write_once(const char *name, struct opened *file, const char *data, size_t size, off_t offset)
{
    int result = reopen(name, file);
    return result < 0 ? result : nfs_pwrite(nfs, file->handle, (uint64_t)offset, size, data);
}

static int fsync_once(const char *name, struct opened *file)
{
    int result = reopen(name, file);
    return result < 0 ? result : nfs_fsync(nfs, file->handle);
}

static int op_read(const char *name, char *out, size_t size, off_t offset, struct fuse_file_info *info)
{
    struct opened *file = (struct opened *)(uintptr_t)info->fh;
    size_t done = 0;
    while (done < size) {
        int result;
        REPEAT(result, read_once(name, file, out + done, size - done, offset + (off_t)done));
        if (result < 0)
            return result;
        if (result == 0)
            break;
        done += (size_t)result;
    }
    return (int)done;
}

static int op_write(const char *name, const char *data, size_t size, off_t offset, struct fuse_file_info *info)
{
    struct opened *file = (struct opened *)(uintptr_t)info->fh;
    size_t done = 0;
    while (done < size) {
        int result;
        size_t part = size - done < WRITE_SIZE ? size - done : WRITE_SIZE;
        REPEAT(result, write_once(name, file, data + done, part, offset + (off_t)done));
        if (result < 0)
            return result;
        done += (size_t)result;
    }
    return (int)done;
}

static int op_fsync(const char *name, int data_only, struct fuse_file_info *info)
{
    (void)data_only;
    struct opened *file = (struct opened *)(uintptr_t)info->fh;
    if ((file->flags & O_ACCMODE) == O_RDONLY)
        return 0;
    ANSWER(fsync_once(name, file));
}

static int op_release(const char *name, struct fuse_file_info *info)
{
    (void)name;
    struct opened *file = (struct opened *)(uintptr_t)info->fh;
    if (file->handle && file->generation == generation)
        nfs_close(nfs, file->handle);
    free(file);
    return 0;
}

static int op_readdir(const char *name, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info,
                      enum fuse_readdir_flags flags)
{
    (void)offset, (void)info, (void)flags;
    struct nfsdir *directory;
    struct nfsdirent *entry;
    int result;
    REPEAT(result, nfs_opendir(nfs, name, &directory));
    if (result < 0)
        return result;
    while ((entry = nfs_readdir(nfs, directory))) {
        struct stat brief = {.st_ino = entry->inode, .st_mode = entry->mode};
        fill(buffer, entry->name, &brief, 0, 0);
    }
    nfs_closedir(nfs, directory);
    return 0;
}

static int op_statfs(const char *name, struct statvfs *out)
{
    ANSWER(nfs_statvfs(nfs, name, out));
}

static const struct fuse_operations operations = {
    .init = op_init, .getattr = op_getattr, .readlink = op_readlink, .mknod = op_mknod, .mkdir = op_mkdir,
    .unlink = op_unlink, .rmdir = op_rmdir, .symlink = op_symlink, .rename = op_rename, .link = op_link,
    .chmod = op_chmod, .chown = op_chown, .truncate = op_truncate, .open = op_open, .create = op_create,
    .read = op_read, .write = op_write, .fsync = op_fsync, .release = op_release, .readdir = op_readdir,
    .statfs = op_statfs, .utimens = op_utimens,
};

/* Those of mount's options that the kernel knows; NFS's own are left out. */
static void kernel_options(char *given, char *out, size_t size)
{
    static const char *const known[] = {"ro", "nosuid", "nodev", "noexec", "noatime", "sync", "dirsync"};
    for (char *option = strtok(given, ","); option; option = strtok(NULL, ","))
        for (size_t which = 0; which < sizeof known / sizeof *known; which++)
            if (strcmp(option, known[which]) == 0) {
                strncat(out, ",", size - strlen(out) - 1);
                strncat(out, option, size - strlen(out) - 1);
            }
}

int main(int argc, char **argv)
{
    char options[1024] = "allow_other,default_permissions,subtype=nfs";
    char *words[2] = {NULL, NULL};
    int count = 0;
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "-o") == 0 && at + 1 < argc)
            kernel_options(argv[++at], options, sizeof options);
        else if (strcmp(argv[at], "-r") == 0)
            strncat(options, ",ro", sizeof options - strlen(options) - 1);
        else if (argv[at][0] != '-' && count < 2)
            words[count++] = argv[at];
    }
    char *colon = words[0] ? strstr(words[0], ":/") : NULL;
    if (count != 2 || !colon) {
        fprintf(stderr, "usage: mount.nfs SERVER:/PATH DIRECTORY [-o OPTIONS]\n");
        return EXIT_USAGE;
    }
    strncat(options, ",fsname=", sizeof options - strlen(options) - 1);
    strncat(options, words[0], sizeof options - strlen(options) - 1);
    server = strndup(words[0], (size_t)(colon - words[0]));
    path = strdup(colon + 1);

    int result = connect_server();
    if (result < 0) {
        fprintf(stderr, "mount.nfs: %s: %s\n", words[0], nfs ? nfs_get_error(nfs) : strerror(-result));
        return EXIT_FAILED;
    }
    char *arguments[] = {argv[0], "-o", options, NULL};
    struct fuse_args given = FUSE_ARGS_INIT(3, arguments);
    struct fuse *fuse = fuse_new(&given, &operations, sizeof operations, NULL);
    if (!fuse || fuse_mount(fuse, words[1]) != 0)
        return EXIT_FAILED;
    /* The parent ends here, and with it mount(8): the mount is there. */
    if (fuse_daemonize(0) != 0) {
        fuse_unmount(fuse);
        return EXIT_FAILED;
    }
    fuse_set_signal_handlers(fuse_get_session(fuse));
    result = fuse_loop(fuse);
    fuse_unmount(fuse);
    fuse_destroy(fuse);
    return result ? EXIT_FAILED : 0;
}
