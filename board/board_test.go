package board_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"linnet/board"
	"linnet/board/boardtest"
	"linnet/board/sysfs"
)

func TestIdentity(t *testing.T) {
	for name, want := range map[string]board.Identity{
		"router": {Model: "GL.iNet GL-AR300M (NAND)", Host: "router", System: "Linux", Release: "6.6.86",
			Version: "#0 Sun Apr 13 16:38:32 2025", Machine: "mips", Booted: 1795000000},
		"arm": {Model: "Raspberry Pi Compute Module 4 Rev 1.1", Serial: "10000000abcd0123", Host: "gateway", System: "Linux",
			Release: "6.12.25-v8", Version: "#1 SMP PREEMPT Debian 1:6.12.25-1+rpt1 (2025-04-30)", Machine: "aarch64", Booted: 1795310000},
		"x86": {Model: "SYS-E300-9A", Vendor: "Supermicro", Host: "edge", System: "Linux", Release: "6.1.0-37-amd64",
			Version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)", Machine: "x86_64", Booted: 1752100000},
	} {
		if got := boardtest.New(name).Board().Identity(); got != want {
			t.Errorf("%s: %+v\nwant %+v", name, got, want)
		}
	}
}

func TestMemory(t *testing.T) {
	for name, want := range map[string]board.Memory{
		"router": {Total: 121440 << 10, Free: 56208 << 10, Available: 68044 << 10, Buffers: 2048 << 10, Cached: 18920 << 10,
			Reclaimable: 4100 << 10, Shared: 1184 << 10},
		"arm": {Total: 3881880 << 10, Free: 3012044 << 10, Available: 3498112 << 10, Buffers: 48120 << 10, Cached: 512340 << 10,
			Reclaimable: 40100 << 10, Shared: 10240 << 10, SwapTotal: 524284 << 10, SwapFree: 520188 << 10},
		// Its kernel does not say what is available.
		"x86": {Total: 16313984 << 10, Free: 9123456 << 10, Available: (9123456 + 412340 + 5123456 + 401234 - 123456) << 10,
			Buffers: 412340 << 10, Cached: 5123456 << 10, Reclaimable: 401234 << 10, Shared: 123456 << 10},
	} {
		if got, err := boardtest.New(name).Board().Memory(); err != nil || got != want {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

func TestLoadAndUptime(t *testing.T) {
	for name, want := range map[string]struct {
		load      board.Load
		uptime    uint64
		processes int
	}{
		"router": {board.Load{Average: [3]uint32{8, 3, 1}, Runnable: 1, Tasks: 73}, 86421337, 4},
		"arm":    {board.Load{Average: [3]uint32{142, 97, 55}, Runnable: 2, Tasks: 161}, 5123499, 3},
		"x86":    {board.Load{Average: [3]uint32{1234, 800, 405}, Runnable: 3, Tasks: 412}, 4320000012, 2},
	} {
		b := boardtest.New(name).Board()
		load, err := b.Load()
		uptime, failed := b.Uptime()
		if err != nil || failed != nil || load != want.load || uptime != want.uptime || b.Processes() != want.processes {
			t.Errorf("%s: %+v, %d, %d processes, %v, %v\nwant %+v", name, load, uptime, b.Processes(), err, failed, want)
		}
	}
}

func TestProcessors(t *testing.T) {
	for name, want := range map[string]struct {
		processors board.Processors
		each       int
		model      string
	}{
		"router": {board.Processors{All: board.Ticks{User: 1234567, Nice: 321, System: 765432, Idle: 81234510, Wait: 4321, SoftInterrupt: 345678},
			Interrupts: 982345123, Switches: 1834567890, PageIn: 181234, PageOut: 22310}, 1, "Qualcomm Atheros QCA9533 ver 2 rev 0"},
		"arm": {board.Processors{All: board.Ticks{User: 400000, Nice: 1000, System: 100000, Idle: 19000000, Wait: 20000, SoftInterrupt: 8000},
			Interrupts: 92345678, Switches: 182345678, SwapIn: 12, SwapOut: 1024, PageIn: 812345, PageOut: 1923456}, 4, ""},
		"x86": {board.Processors{All: board.Ticks{User: 40000000, System: 20000000, Idle: 1700000000, Wait: 1000000, SoftInterrupt: 500000},
			Interrupts: 18446744073709, Switches: 9912345678901, PageIn: 912345678, PageOut: 9912345678}, 4, "Intel(R) Atom(TM) CPU C3558 @ 2.20GHz"},
	} {
		b := boardtest.New(name).Board()
		got, err := b.Processors()
		var sum uint64
		for _, one := range got.Each {
			sum += one.Total()
		}
		if err != nil || len(got.Each) != want.each || sum != got.All.Total() || b.Model() != want.model {
			t.Errorf("%s: %d processors (%q) with %d ticks, want %d, %v", name, len(got.Each), b.Model(), sum, got.All.Total(), err)
		}
		got.Each = nil
		if !reflect.DeepEqual(got, want.processors) {
			t.Errorf("%s: %+v\nwant %+v", name, got, want.processors)
		}
	}
}

func TestInterfaces(t *testing.T) {
	mac := func(last ...byte) []byte { return append([]byte{0x94, 0x83, 0xc4, 0, 0}, last...) }
	want := []board.Interface{
		{Index: 5, Name: "br-lan", Kind: "bridge", Hardware: 1, MTU: 1500, Address: mac(0x10), Up: true, State: board.StateUp, Changes: 2,
			Counters: board.Counters{InBytes: 182000000000, InPackets: 210300000, InDrops: 500, InMulticast: 40001, OutBytes: 28300000000, OutPackets: 110300000}},
		{Index: 2, Name: "eth0", Hardware: 1, MTU: 1500, Address: mac(0x10), Up: true, State: board.StateUp, Speed: 1e9, Physical: true, Changes: 3,
			Counters: board.Counters{InBytes: 182345678901, InPackets: 210345678, InDrops: 12, InMulticast: 40123, OutBytes: 28345678901, OutPackets: 110345678}},
		{Index: 3, Name: "eth1", Alias: "uplink", Hardware: 1, MTU: 1500, Address: mac(0x11), Up: true, State: board.StateUp, Speed: 1e8, Physical: true, Changes: 5,
			Counters: board.Counters{InBytes: 6123456789012, InPackets: 4312345678, InErrors: 3, OutBytes: 612345678901, OutPackets: 2101234567, OutDrops: 7}},
		{Index: 1, Name: "lo", Hardware: 772, MTU: 65536, Up: true, State: board.StateUp,
			Counters: board.Counters{InBytes: 812345, InPackets: 9321, OutBytes: 812345, OutPackets: 9321}},
		{Index: 7, Name: "phy0-ap0", Kind: "wlan", Hardware: 1, MTU: 1500, Address: mac(0x12), Up: true, State: board.StateUp, Physical: true, Changes: 4,
			Counters: board.Counters{InBytes: 5123456, InPackets: 41234, OutBytes: 91234567, OutPackets: 88123, OutDrops: 3}},
		{Index: 8, Name: "phy0-sta0", Kind: "wlan", Hardware: 1, MTU: 1500, Address: []byte{0x96, 0x83, 0xc4, 0, 0, 0x12}, State: board.StateDown, Physical: true, Changes: 1},
		{Index: 11, Name: "pppoe-wan", Kind: "ppp", Hardware: 512, MTU: 1492, Up: true, State: board.StateUp, Changes: 1,
			Counters: board.Counters{InBytes: 6112345678901, InPackets: 4311345678, OutBytes: 611345678901, OutPackets: 2100234567}},
		{Index: 12, Name: "wg0", Kind: "wireguard", Hardware: 65534, MTU: 1420, Up: true, State: board.StateUp, Changes: 1,
			Counters: board.Counters{InBytes: 1234, InPackets: 12, InErrors: 1, OutBytes: 4321, OutPackets: 34, OutErrors: 2}},
	}
	got, err := boardtest.New("router").Board().Interfaces()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, want)
	}
}

func TestInterfaceStates(t *testing.T) {
	for _, tc := range []struct {
		machine, name string
		state         board.State
		speed         uint64
	}{
		{"arm", "wlan0", board.StateDormant, 0},
		{"x86", "bond0", board.StateUp, 20e9},
		{"x86", "bond0.100", board.StateUp, 0},
		{"x86", "eno1", board.StateUp, 10e9},
		{"x86", "eno3", board.StateDown, 0},
		{"x86", "wlp3s0", board.StateDown, 0},
	} {
		list, err := boardtest.New(tc.machine).Board().Interfaces()
		found := err != nil
		for _, i := range list {
			if i.Name == tc.name {
				found = true
				if i.State != tc.state || i.Speed != tc.speed {
					t.Errorf("%s %s: %s, %d bits a second; want %s, %d", tc.machine, tc.name, i.State, i.Speed, tc.state, tc.speed)
				}
			}
		}
		if !found {
			t.Errorf("%s: no %s, %v", tc.machine, tc.name, err)
		}
	}
	// A driver that never tells the state at least tells of the carrier.
	for carrier, want := range map[string]board.State{"1\n": board.StateUp, "0\n": board.StateUnknown, "": board.StateUnknown} {
		m := boardtest.New("router")
		m.Set("sys/class/net/wg0/operstate", "unknown\n")
		m.Set("sys/class/net/wg0/carrier", carrier)
		list, _ := m.Board().Interfaces()
		if got := list[len(list)-1]; got.Name != "wg0" || got.State != want {
			t.Errorf("%s with carrier %q: %s, want %s", got.Name, carrier, got.State, want)
		}
	}
	// A cable is pulled while the driver still tells the old speed.
	m := boardtest.New("router")
	m.Set("sys/class/net/eth0/operstate", "down\n")
	m.Remove("sys/class/net/eth1")
	list, _ := m.Board().Interfaces()
	if len(list) != 7 || list[1].State != board.StateDown || list[1].Speed != 0 {
		t.Errorf("%+v", list)
	}
}

// Counters go to 2^64 and lines have no blank after the colon on old kernels.
func TestCounters(t *testing.T) {
	m := boardtest.New("x86")
	list, _ := m.Board().Interfaces()
	for _, i := range list {
		if i.Name == "eno1" && i.Counters.InBytes != 18446744073709551000 {
			t.Errorf("%+v", i.Counters)
		}
	}
	m.Set("proc/net/dev", "a\nb\n eno2:5 6 0 0 0 0 0 0 7 8 0 0 0 0 0 0\n eno1: 1 2\n")
	list, _ = m.Board().Interfaces()
	for _, i := range list {
		want := board.Counters{}
		if i.Name == "eno2" {
			want = board.Counters{InBytes: 5, InPackets: 6, OutBytes: 7, OutPackets: 8}
		}
		if i.Counters != want {
			t.Errorf("%s: %+v", i.Name, i.Counters)
		}
	}
}

func TestAddresses(t *testing.T) {
	for name, want := range map[string]string{
		"router": "1 127.0.0.1/8 invalid IP; 5 192.168.8.1/24 192.168.8.255; 11 203.0.113.77/32 invalid IP; 12 10.9.0.2/24 invalid IP; " +
			"1 ::1/128 invalid IP; 5 2001:db8:1::1/64 invalid IP; 5 fe80::968f:c4ff:fe00:10/64 invalid IP",
		"arm": "1 127.0.0.1/8 invalid IP; 2 198.51.100.42/24 198.51.100.255; " +
			"1 ::1/128 invalid IP; 2 2001:db8:2::42/64 invalid IP; 2 2001:db8:2:0:9ab:cdef:123:4567/64 invalid IP temporary; 2 fe80::dea6:32ff:fe00:1/64 invalid IP tentative",
		"x86": "1 127.0.0.1/8 invalid IP; 6 192.0.2.1/24 192.0.2.255; 6 192.0.2.200/24 192.0.2.255; 1 ::1/128 invalid IP; 6 2001:db8:3::1/64 invalid IP",
	} {
		list, err := boardtest.New(name).Board().Addresses()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		seen := make(map[string]bool)
		for _, part := range strings.Split(want, "; ") {
			seen[part] = true
		}
		for i, a := range list {
			text := strings.TrimSpace(strings.Join([]string{itoa(a.Index), a.Prefix.String(), a.Broadcast.String()}, " "))
			if a.Temporary {
				text += " temporary"
			}
			if a.Tentative {
				text += " tentative"
			}
			if !seen[text] {
				t.Errorf("%s: unexpected %q", name, text)
			}
			delete(seen, text)
			if i > 0 && a.Prefix.Addr().Is4() && !list[i-1].Prefix.Addr().Is4() {
				t.Errorf("%s: %s comes after IPv6", name, text)
			}
		}
		for text := range seen {
			t.Errorf("%s: %q is missing", name, text)
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func TestNeighbours(t *testing.T) {
	list := boardtest.New("router").Board().Neighbours(100)
	if len(list) != 3 || list[0].Device != "br-lan" || list[0].Addr.String() != "192.168.8.20" || string(list[0].Hardware) != "\x02\x00\x5e\x00\x53\x20" ||
		list[0].Permanent || !list[2].Permanent {
		t.Errorf("%+v", list)
	}
	b := boardtest.New("x86").Board()
	if n := len(b.Neighbours(28)); n != 28 {
		t.Errorf("%d of 28", n)
	}
	if n := len(b.Neighbours(27)); n != 27 {
		t.Errorf("%d of at most 27", n)
	}
}

func TestProtocols(t *testing.T) {
	for _, tc := range []struct {
		machine, name string
		want          uint64
	}{
		{"router", "Ip.Forwarding", 1},
		{"router", "Ip.InReceives", 4294967290},
		{"router", "Icmp.InEchos", 4690},
		{"router", "IcmpMsg.OutType3", 611},
		{"router", "Tcp.MaxConn", 1<<64 - 1},
		{"router", "Tcp.InCsumErrors", 0},
		{"router", "Udp.NoPorts", 4211},
		{"router", "IpExt.InOctets", 6119876543210},
		{"router", "Ip6.InOctets", 5123456789012},
		{"router", "Icmp6.InType135", 2000},
		{"router", "Udp6.OutDatagrams", 322},
		{"router", "TcpExt.SyncookiesSent", 0},
		{"x86", "Ip.InReceives", 12345678901234},
	} {
		p, err := boardtest.New(tc.machine).Board().Protocols()
		if got := p[tc.name]; err != nil || got != tc.want {
			t.Errorf("%s %s = %d, %v; want %d", tc.machine, tc.name, got, err, tc.want)
		}
	}
	p, _ := boardtest.New("router").Board().Protocols()
	if _, ok := p["TcpExt.SyncookiesSent"]; ok || len(p) < 120 {
		t.Errorf("%d counters, those of TcpExt are there: %v", len(p), ok)
	}
}

func TestMounts(t *testing.T) {
	for name, want := range map[string]string{
		"router": "/rom squashfs ro 4456448 0; /tmp tmpfs rw 62177280 60993536; /overlay ubifs rw 92413952 84000768; / overlay rw 92413952 84000768; /dev tmpfs rw 524288 524288",
		"arm": "/run tmpfs rw 397504512 395390976; / ext4 rw 31040753664 23516078080; /dev/shm tmpfs rw 1987522560 1987522560; " +
			"/boot/firmware vfat rw 535805952 455602176; /media/usb stick exfat rw 64000000000 32000000000",
		"x86": "/ ext4 rw 250056151040 187000000000; /boot/efi vfat rw 535805952 529805312; /srv xfs rw 31990000000000 9990000000000",
	} {
		var got []string
		for _, m := range boardtest.New(name).Board().Mounts() {
			mode := " rw "
			if m.ReadOnly {
				mode = " ro "
			}
			got = append(got, m.Path+" "+m.Type+mode+uitoa(m.Space.Total)+" "+uitoa(m.Space.Available))
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%s: %s\nwant %s", name, text, want)
		}
	}
	m := boardtest.New("x86") // mounted over
	m.Set("proc/self/mounts", "/dev/a / ext4 rw 0 0\n/dev/b /srv ext4 rw 0 0\n/dev/c / xfs ro,x 0 0\n")
	list := m.Board().Mounts()
	if len(list) != 2 || list[0].Path != "/srv" || list[1].Device != "/dev/c" || !list[1].ReadOnly {
		t.Errorf("%+v", list)
	}
}

func uitoa(n uint64) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return uitoa(n/10) + string(rune('0'+n%10))
}

func TestDisks(t *testing.T) {
	for name, want := range map[string][]board.Disk{
		"arm": {
			{Name: "mmcblk0", Model: "BJTD4R", Size: 61071360 * 512, Reads: 41234, Writes: 91234, ReadBytes: 3123456 * 512, WriteBytes: 5123456 * 512, Busy: 123456},
			{Name: "mmcblk0boot0", Model: "BJTD4R", Size: 8192 * 512, ReadOnly: true, Reads: 1000, Writes: 500, ReadBytes: 80000 * 512, WriteBytes: 40000 * 512, Busy: 1500},
			{Name: "sda", Model: "Ultra Fit", Size: 125000000 * 512, Removable: true, Reads: 1000, Writes: 500, ReadBytes: 80000 * 512, WriteBytes: 40000 * 512, Busy: 1500},
		},
		"router": {{Name: "mtdblock0", Size: 512 * 512, Reads: 2, ReadBytes: 16 * 512, Busy: 4}},
	} {
		if got := boardtest.New(name).Board().Disks(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\nwant %+v", name, got, want)
		}
	}
	if n := len(boardtest.New("x86").Board().Disks()); n != 4 {
		t.Errorf("%d disks, want 4: a reader without a card is none", n)
	}
}

func TestSensors(t *testing.T) {
	for name, want := range map[string][]board.Sensor{
		"router": nil,
		"arm": {
			{Name: "cpu_thermal/temp1", Value: 48686, Working: true, Limit: 110000},
			{Name: "emc2301/fan1", Quantity: board.Fan, Value: 2870, Working: true},
		},
		"x86": {
			{Name: "coretemp/temp1", Label: "Package id 0", Value: 39000, Working: true, Limit: 97000},
			{Name: "coretemp/temp2", Label: "Core 0", Value: 40000, Working: true, Limit: 97000},
			{Name: "coretemp/temp3", Label: "Core 1", Value: 41000, Working: true, Limit: 97000},
			{Name: "coretemp/temp4", Label: "Core 2", Value: 42000, Working: true, Limit: 97000},
			{Name: "coretemp/temp5", Label: "Core 3", Value: 43000, Working: true, Limit: 97000},
			{Name: "nvme/temp1", Label: "Composite", Value: 41850, Working: true, Limit: 84850},
			{Name: "nct6779/fan1", Label: "FAN1", Quantity: board.Fan, Value: 4500, Working: true},
			{Name: "nct6779/fan2", Quantity: board.Fan, Working: true},
			{Name: "nct6779/in0", Label: "Vcore", Quantity: board.Voltage, Value: 1016, Working: true},
			{Name: "nct6779/in1", Quantity: board.Voltage},
			{Name: "nct6779/temp1", Value: -2000, Working: true},
			{Name: "drivetemp/temp1", Value: 33000, Working: true},
			{Name: "drivetemp#2/temp1", Value: 34000, Working: true},
			{Name: "power_meter/curr1", Quantity: board.Current, Value: 2600, Working: true},
			{Name: "power_meter/power1", Quantity: board.Power, Value: 31500, Working: true},
			{Name: "acpitz", Value: 27800, Working: true},
		},
	} {
		if got := boardtest.New(name).Board().Sensors(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\nwant %+v", name, got, want)
		}
	}
}

func TestWear(t *testing.T) {
	for name, want := range map[string][]board.Wear{
		"router": {{Device: "ubi0", Model: "ubi", Used: -1, Erased: 41, Bad: 2, Reserved: 18}},
		"arm":    {{Device: "mmcblk0", Model: "BJTD4R", Used: 30}},
		"x86":    nil,
	} {
		if got := boardtest.New(name).Board().Wear(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\nwant %+v", name, got, want)
		}
	}
	m := boardtest.New("arm")
	m.Set("sys/block/mmcblk0/device/life_time", "0x0b 0x01\n")
	m.Set("sys/block/mmcblk0/device/pre_eol_info", "0x03\n")
	if got := m.Board().Wear(); len(got) != 1 || got[0].Used != 110 || got[0].Worn != 2 {
		t.Errorf("a chip at its end: %+v", got)
	}
	m.Set("sys/block/mmcblk0/device/life_time", "0x00 0x00\n")
	if got := m.Board().Wear(); len(got) != 1 || got[0].Used != -1 {
		t.Errorf("a chip that does not tell: %+v", got)
	}
}

// A machine that shows nothing yields errors and empty lists, no matter what is asked.
func TestNothing(t *testing.T) {
	m := boardtest.New("arm")
	m.Remove("proc")
	m.Remove("sys")
	m.Remove("kernel")
	for _, b := range []*board.Board{m.Board(), board.At(sysfs.Root{}, m)} {
		_, memory := b.Memory()
		_, load := b.Load()
		_, uptime := b.Uptime()
		_, processors := b.Processors()
		_, interfaces := b.Interfaces()
		_, protocols := b.Protocols()
		if memory == nil || load == nil || uptime == nil || processors == nil || interfaces == nil || protocols == nil {
			t.Error("something is told:", memory, load, uptime, processors, interfaces, protocols)
		}
		addresses, err := b.Addresses()
		if len(addresses)+len(b.Neighbours(9))+len(b.Mounts())+len(b.Disks())+len(b.Sensors())+len(b.Wear())+b.Processes() != 0 || err != nil {
			t.Error("something is listed")
		}
		if id := b.Identity(); id.Machine == "" || id.Model != "" || b.Model() != "" || b.MaxProcesses() != 0 {
			t.Errorf("%+v", id)
		}
	}
}

// The machine the test runs on: what its files say must be what the system calls say.
func TestThisMachine(t *testing.T) {
	if _, err := os.Stat("/proc/meminfo"); err != nil {
		t.Skip("no /proc here")
	}
	b := board.New()
	if m, err := b.Memory(); err != nil || m.Available > m.Total || m.Free > m.Total {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := b.Processors(); err != nil {
		t.Error(err)
	}
	if b.Processes() == 0 {
		t.Error("no process, not even this one")
	}
	host, err := os.Hostname()
	if id := b.Identity(); err == nil && id.Host != host {
		t.Errorf("the host is %q, not %q", id.Host, host)
	}
	for _, m := range b.Mounts() {
		if m.Space.Free > m.Space.Total || m.Space.Available > m.Space.Total {
			t.Errorf("%+v", m)
		}
	}
}
