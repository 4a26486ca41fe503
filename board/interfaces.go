package board

import (
	"encoding/hex"
	"strings"

	"linnet/board/sysfs"
)

// Interface is a network interface.
type Interface struct {
	Index    int
	Name     string
	Alias    string // what the administrator calls it
	Kind     string // of the driver's family: "bridge", "vlan", "wlan", "wwan", "bond" …; "" for a plain one
	Hardware int    // ARPHRD_*: 1 Ethernet, 512 PPP, 772 loopback, 65534 none …
	MTU      int
	Address  []byte // of the hardware
	Up       bool   // switched on by the administrator
	Promisc  bool   // takes what is addressed to others
	State    State
	Speed    uint64 // bits a second, 0 if not known
	Physical bool   // stands for a device, not for a thing made of software
	Changes  uint64 // times that the carrier came or went
	Counters Counters
}

// State is whether an interface passes packets: RFC 2863 as the kernel has it.
type State uint8

const (
	StateUnknown State = iota // of some drivers, which never tell
	StateNotPresent
	StateDown
	StateLowerDown
	StateTesting
	StateDormant
	StateUp
)

var stateNames = [...]string{"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"}

func (s State) String() string { return stateNames[min(int(s), len(stateNames)-1)] }

// Counters are those of an interface, in 64 bits.
type Counters struct {
	InBytes, InPackets, InErrors, InDrops, InMulticast    uint64
	OutBytes, OutPackets, OutErrors, OutDrops, Collisions uint64
}

// maxInterfaces bounds a reading: some machines make an interface for every customer.
const maxInterfaces = 1024

// flags of an interface (IFF_* of linux/if.h)
const (
	flagUp      = 1
	flagPromisc = 0x100
)

// Interfaces reads the network interfaces, by name.
//
// It costs about ten small files for each of them. All counters come from one file, because they are wanted more
// often and must be of one moment.
func (b *Board) Interfaces() ([]Interface, error) {
	counters, err := b.counters()
	if err != nil {
		return nil, err
	}
	var list []Interface
	for _, name := range b.root.Names("sys/class/net") {
		if len(list) == maxInterfaces {
			break
		}
		if i, ok := b.readInterface(name); ok {
			i.Counters = counters[name]
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return nil, errNothing
	}
	return list, nil
}

// readInterface tells no interface where there is a file (bonding_masters), or where it went away meanwhile.
func (b *Board) readInterface(name string) (i Interface, ok bool) {
	dir := "sys/class/net/" + name + "/"
	number := func(file string) int64 {
		n, _ := b.root.Int(dir + file)
		return n
	}
	index, ok := b.root.Int(dir + "ifindex")
	if !ok || index <= 0 {
		return i, false
	}
	flags := number("flags")
	i = Interface{
		Index: int(index), Name: name, Alias: b.root.Text(dir + "ifalias"), Hardware: int(number("type")), MTU: int(number("mtu")),
		Up: flags&flagUp != 0, Promisc: flags&flagPromisc != 0, Physical: b.root.Has(dir + "device"), Changes: uint64(number("carrier_changes")),
	}
	if text := b.root.Text(dir + "address"); strings.Trim(text, "0:") != "" {
		i.Address, _ = hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	}
	for line := range strings.Lines(b.root.Text(dir + "uevent")) {
		if kind, ok := strings.CutPrefix(line, "DEVTYPE="); ok {
			i.Kind = strings.TrimSpace(kind)
		}
	}
	state := b.root.Text(dir + "operstate")
	for n, name := range stateNames {
		if state == name {
			i.State = State(n)
		}
	}
	switch {
	case !i.Up:
		i.State = StateDown // some drivers go on saying "unknown"
	case i.State == StateUnknown && number("carrier") == 1:
		i.State = StateUp // loopback, tunnels: they never say more than that
	}
	if i.State == StateUp && (i.Physical || i.Kind == "bond") {
		i.Speed = uint64(max(number("speed"), 0)) * 1e6
	}
	return i, true
}

// counters reads /proc/net/dev, which prints 64 bits on 32-bit machines, too.
func (b *Board) counters() (map[string]Counters, error) {
	all := make(map[string]Counters)
	read := b.root.Fields("proc/net/dev", func(words []string) bool {
		name, rest, ok := strings.Cut(words[0], ":")
		if !ok {
			return true // one of the two head lines
		}
		words = words[1:]
		if rest != "" { // "eth0:123", as old kernels write
			words = append([]string{rest}, words...)
		}
		if len(words) < 16 {
			return true
		}
		var n [16]uint64
		for i := range n {
			n[i] = sysfs.Uint(words[i])
		}
		all[name] = Counters{
			InBytes: n[0], InPackets: n[1], InErrors: n[2], InDrops: n[3], InMulticast: n[7],
			OutBytes: n[8], OutPackets: n[9], OutErrors: n[10], OutDrops: n[11], Collisions: n[13],
		}
		return true
	})
	if !read {
		return nil, errNothing
	}
	return all, nil
}
