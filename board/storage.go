package board

import (
	"strings"

	"linnet/board/sysfs"
)

// Space is the size of a file system, in bytes and in files.
type Space struct {
	Block       uint64 // bytes in one block
	Total, Free uint64
	Available   uint64 // to those who are not root
	Files       uint64 // that there can be, 0 where there is no such bound
	FilesFree   uint64
}

// Mount is a file system in use.
type Mount struct {
	Device   string // "/dev/mmcblk0p2", "ubi0:data", "tmpfs"
	Path     string
	Type     string // "ext4", "ubifs", "tmpfs" …
	ReadOnly bool
	Space    Space
}

// holding are the kinds of file systems that hold files on this machine. Others are windows into the kernel, or stand
// on another machine, which may not answer: asking for its size could then block for ever.
var holding = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "ubifs", "jffs2", "yaffs2", "squashfs", "erofs", "overlay",
	"tmpfs", "vfat", "exfat", "ntfs3", "bcachefs", "zfs", "iso9660"}

// maxMounts bounds a reading; what the machine itself uses stands first.
const maxMounts = 64

// Mounts reads which file systems are in use and how full they are. A file system that is mounted twice is shown
// once, where it came first.
func (b *Board) Mounts() []Mount {
	var list []Mount
	b.root.Fields("proc/self/mounts", func(words []string) bool {
		if len(words) < 4 || !among(words[2], holding) {
			return true
		}
		m := Mount{Device: unescape(words[0]), Path: unescape(words[1]), Type: words[2], ReadOnly: words[3] == "ro" || strings.HasPrefix(words[3], "ro,")}
		for i, other := range list {
			switch {
			case other.Path == m.Path: // mounted over: what lies below cannot be seen
				list = append(list[:i], list[i+1:]...)
			case strings.HasPrefix(m.Device, "/") && other.Device == m.Device:
				return true // the same again elsewhere
			default:
				continue
			}
			break
		}
		if len(list) < maxMounts {
			list = append(list, m)
		}
		return true
	})
	kept := list[:0]
	for _, m := range list {
		var err error
		if m.Space, err = b.kernel.Space(m.Path); err == nil && m.Space.Total > 0 {
			kept = append(kept, m)
		}
	}
	return kept
}

func among(s string, list []string) bool {
	for _, other := range list {
		if s == other {
			return true
		}
	}
	return false
}

// unescape undoes what the kernel does to blanks in names: "\040".
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// Disk is a block device that is no part of another: a card, a chip, a drive.
type Disk struct {
	Name                        string // "mmcblk0"
	Model                       string
	Size                        uint64 // bytes
	Removable, ReadOnly         bool
	Reads, Writes               uint64 // requests
	ReadBytes, WriteBytes, Busy uint64 // Busy in milliseconds
}

// Disks reads the block devices, by name. What is made of memory or of files (ram, loop, zram) is left out.
func (b *Board) Disks() []Disk {
	var list []Disk
	for _, name := range b.root.Names("sys/block") {
		dir := "sys/block/" + name + "/"
		if strings.HasPrefix(name, "ram") || strings.HasPrefix(name, "loop") || strings.HasPrefix(name, "zram") || len(list) == maxMounts {
			continue
		}
		size, ok := b.root.Int(dir + "size")
		if !ok || size == 0 {
			continue // a reader without a card
		}
		removable, _ := b.root.Int(dir + "removable")
		readOnly, _ := b.root.Int(dir + "ro")
		d := Disk{Name: name, Size: uint64(size) * 512, Removable: removable == 1, ReadOnly: readOnly == 1,
			Model: b.first(dir+"device/model", dir+"device/name")}
		if words := strings.Fields(b.root.Text(dir + "stat")); len(words) >= 10 {
			d.Reads, d.Writes = sysfs.Uint(words[0]), sysfs.Uint(words[4])
			d.ReadBytes, d.WriteBytes = sysfs.Uint(words[2])*512, sysfs.Uint(words[6])*512
			d.Busy = sysfs.Uint(words[9])
		}
		list = append(list, d)
	}
	return list
}
