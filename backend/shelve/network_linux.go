package shelve

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// networks are the file systems of other machines, by the number that statfs(2) returns;
// those that it does not list are from the sources of the file systems themselves.
var networks = map[uint32]string{
	unix.NFS_SUPER_MAGIC:   "nfs",
	unix.SMB_SUPER_MAGIC:   "smb",
	unix.SMB2_SUPER_MAGIC:  "smb2",
	unix.CIFS_SUPER_MAGIC:  "cifs",
	unix.AFS_SUPER_MAGIC:   "afs",
	unix.AFS_FS_MAGIC:      "afs",
	unix.CODA_SUPER_MAGIC:  "coda",
	unix.NCP_SUPER_MAGIC:   "ncp",
	unix.V9FS_MAGIC:        "9p",
	unix.CEPH_SUPER_MAGIC:  "ceph",
	unix.OCFS2_SUPER_MAGIC: "ocfs2",
	0x0bd00bd0:             "lustre",
	0x47504653:             "gpfs",
	0x19830326:             "beegfs",
	0x20030528:             "orangefs",
	0x013111a8:             "ibrix",
	0xaad7aaea:             "panfs",
}

// fuseNetworks are those that come through FUSE, by their type in mountinfo after "fuse.".
// Others are taken for local, such as encryption in a home directory.
var fuseNetworks = []string{
	"sshfs", "s3fs", "gcsfuse", "goofys", "mount-s3", "rclone", "glusterfs", "ceph", "ceph-fuse",
	"davfs", "davfs2", "curlftpfs", "smbnetfs", "juicefs", "alluxio-fuse", "moosefs", "mfs", "lizardfs", "blobfuse", "blobfuse2",
}

// networkOf names the network file system that dir is on; empty for a local one.
func networkOf(dir string) (string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if uint32(fs.Type) != unix.FUSE_SUPER_MAGIC {
		return networks[uint32(fs.Type)], nil
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", nil // it may be local, and nothing says that it is not
	}
	defer mounts.Close()
	dev := fmt.Sprintf("%d:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	return fuseNetwork(bufio.NewScanner(mounts), dev), nil
}

// fuseNetwork looks up the device in mountinfo, whose lines are described in proc(5).
func fuseNetwork(mounts *bufio.Scanner, dev string) string {
	for mounts.Scan() {
		mount, kind, _ := strings.Cut(mounts.Text(), " - ")
		fields := strings.Fields(mount)
		if len(fields) < 3 || fields[2] != dev {
			continue
		}
		kind, _, _ = strings.Cut(kind, " ")
		if slices.Contains(fuseNetworks, strings.TrimPrefix(kind, "fuse.")) {
			return kind
		}
	}
	return ""
}
