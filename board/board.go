package board

import (
	"errors"
	"net/netip"
	"runtime"
	"strings"

	"linnet/board/sysfs"
)

// Board reads one machine. Safe for concurrent use: it holds nothing.
type Board struct {
	root   sysfs.Root
	kernel Kernel
}

// Kernel tells what no file does. A recorded machine brings its own.
type Kernel interface {
	// Space tells the size of the file system that is mounted at path. It may block for as long as that file
	// system does.
	Space(path string) (Space, error)
	// Addresses4 lists the IPv4 addresses of all interfaces.
	Addresses4() ([]Address, error)
}

// New returns the Board of the machine that the program runs on.
func New() *Board { return &Board{sysfs.Machine(), machine{}} }

// At returns the Board of another machine: what its files say and its kernel.
func At(root sysfs.Root, kernel Kernel) *Board { return &Board{root, kernel} }

// errNothing is what a reading returns whose file is not there or says nothing.
var errNothing = errors.New("board: the kernel does not tell")

// Identity says what machine it is. What is not known is empty.
type Identity struct {
	Model   string // "GL.iNet GL-MT300N V2"
	Vendor  string
	Serial  string
	Host    string // the name of the host
	System  string // "Linux"
	Release string // of the kernel: "6.6.86"
	Version string // of the kernel: "#0 SMP Mon Apr 14 …"
	Machine string // of the processor: "mips"
	Booted  int64  // seconds since 1970; wrong where the clock was not yet set
}

// Identity reads what machine it is.
func (b *Board) Identity() Identity {
	r := b.root
	id := Identity{
		Host: r.Text("proc/sys/kernel/hostname"), System: r.Text("proc/sys/kernel/ostype"),
		Release: r.Text("proc/sys/kernel/osrelease"), Version: r.Text("proc/sys/kernel/version"),
		Machine: r.Text("proc/sys/kernel/arch"),
		// OpenWrt knows boards that have no device tree; then the device tree; then the BIOS.
		Model:  b.first("tmp/sysinfo/model", "proc/device-tree/model", "sys/class/dmi/id/product_name"),
		Vendor: b.first("sys/class/dmi/id/sys_vendor"),
		Serial: b.first("proc/device-tree/serial-number", "sys/class/dmi/id/product_serial"),
	}
	if id.Machine == "" {
		id.Machine = runtime.GOARCH // the file is as young as Linux 6.1
	}
	r.Fields("proc/stat", func(words []string) bool {
		if words[0] == "btime" && len(words) == 2 {
			id.Booted = int64(sysfs.Uint(words[1]))
			return false
		}
		return true
	})
	return id
}

// first returns the first text that says something. BIOSes are full of texts that do not.
func (b *Board) first(paths ...string) string {
	for _, path := range paths {
		switch text := b.root.Text(path); strings.ToLower(text) {
		case "", "none", "not specified", "default string", "to be filled by o.e.m.", "system product name", "system serial number", "0":
		default:
			return text
		}
	}
	return ""
}

// Address is an address of an interface.
type Address struct {
	Index     int // of the interface
	Prefix    netip.Prefix
	Broadcast netip.Addr // of IPv4, where there is one
	Tentative bool       // not yet known to be the only one of its kind on the link
	Temporary bool       // of the privacy extensions
}
