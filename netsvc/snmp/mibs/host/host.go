// Package host is HOST-RESOURCES-MIB (RFC 2790): the host, its storage and its devices. Printers and partitions it has
// none of; what software runs or is installed is left out: it would be long, costly, and an invitation.
//
// Descriptions and kinds of storage are those of net-snmp, which management stations tell memory from disks by.
package host

import (
	"time"

	"linnet/board"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
)

var (
	at      = mib.OID{1, 3, 6, 1, 2, 1, 25}
	storage = at.With(2, 1) // hrStorageTypes
	devices = at.With(3, 1) // hrDeviceTypes
	systems = at.With(3, 9) // hrFSTypes
)

// Kinds of storage, below hrStorageTypes.
const (
	storageOther = 1 + iota
	storageRAM
	storageVirtual
	storageFixed
	storageRemovable
	_ // floppy
	storageCD
	storageRAMDisk
	storageFlash
)

// Kinds of devices, below hrDeviceTypes.
const (
	deviceProcessor = 3
	deviceNetwork   = 4
	deviceDisk      = 6
)

// mountsFrom is where the numbers of file systems begin, after those of memory.
const mountsFrom = 30

type group struct {
	env     *mib.Env
	machine *mibs.Machine
}

// Groups returns the group.
func Groups(env *mib.Env) []mib.Group {
	g := &group{env, mibs.Of(env.Host)}
	return []mib.Group{{
		Name: "HOST-RESOURCES-MIB", ID: mib.OID{1, 3, 6, 1, 2, 1, 25, 7, 1}, About: "The host, its storage and its devices.",
		Scalars: []mib.Scalar{
			{Name: "hrSystemUptime", OID: at.With(1, 1), Kind: mib.TimeTicks, Get: func(*mib.Request) mib.Value {
				n, err := g.machine.Board.Uptime()
				if err != nil {
					return mib.None
				}
				return mib.Ticks(mibs.Hundredths(n))
			}},
			{Name: "hrSystemDate", OID: at.With(1, 2), Kind: mib.OctetString, Get: func(r *mib.Request) mib.Value { return mib.Date(r.Now) }},
			{Name: "hrSystemNumUsers", OID: at.With(1, 5), Kind: mib.Gauge32, Get: func(*mib.Request) mib.Value { return mib.Gauge(0) }},
			{Name: "hrSystemProcesses", OID: at.With(1, 6), Kind: mib.Gauge32,
				Get: func(*mib.Request) mib.Value { return mib.Gauge(g.machine.Board.Processes()) }},
			{Name: "hrSystemMaxProcesses", OID: at.With(1, 7), Kind: mib.Integer32,
				Get: func(*mib.Request) mib.Value { return mib.Int(g.machine.Board.MaxProcesses()) }},
			{Name: "hrMemorySize", OID: at.With(2, 2), Kind: mib.Integer32,
				Get: func(r *mib.Request) mib.Value { return mib.Int(int64(g.machine.Memory(r.Now).Total >> 10)) }},
		},
		Tables: []mib.Table{
			{Name: "hrStorageTable", Entry: at.With(2, 3, 1), Fill: g.storage, Columns: []mib.Column{
				{ID: 1, Name: "hrStorageIndex", Kind: mib.Integer32},
				{ID: 2, Name: "hrStorageType", Kind: mib.ObjectID},
				{ID: 3, Name: "hrStorageDescr", Kind: mib.OctetString},
				{ID: 4, Name: "hrStorageAllocationUnits", Kind: mib.Integer32},
				{ID: 5, Name: "hrStorageSize", Kind: mib.Integer32},
				{ID: 6, Name: "hrStorageUsed", Kind: mib.Integer32},
			}},
			{Name: "hrDeviceTable", Entry: at.With(3, 2, 1), Keep: 5 * time.Second, Fill: g.devices, Columns: []mib.Column{
				{ID: 1, Name: "hrDeviceIndex", Kind: mib.Integer32},
				{ID: 2, Name: "hrDeviceType", Kind: mib.ObjectID},
				{ID: 3, Name: "hrDeviceDescr", Kind: mib.OctetString},
				{ID: 4, Name: "hrDeviceID", Kind: mib.ObjectID},
				{ID: 5, Name: "hrDeviceStatus", Kind: mib.Integer32},
				{ID: 6, Name: "hrDeviceErrors", Kind: mib.Counter32},
			}},
			{Name: "hrProcessorTable", Entry: at.With(3, 3, 1), Fill: g.processors, Columns: []mib.Column{
				{ID: 1, Name: "hrProcessorFrwID", Kind: mib.ObjectID},
				{ID: 2, Name: "hrProcessorLoad", Kind: mib.Integer32},
			}},
			{Name: "hrNetworkTable", Entry: at.With(3, 4, 1), Keep: 5 * time.Second, Fill: g.networks, Columns: []mib.Column{
				{ID: 1, Name: "hrNetworkIfIndex", Kind: mib.Integer32},
			}},
			{Name: "hrDiskStorageTable", Entry: at.With(3, 6, 1), Keep: 5 * time.Second, Fill: g.disks, Columns: []mib.Column{
				{ID: 1, Name: "hrDiskStorageAccess", Kind: mib.Integer32},
				{ID: 2, Name: "hrDiskStorageMedia", Kind: mib.Integer32},
				{ID: 3, Name: "hrDiskStorageRemoveble", Kind: mib.Integer32},
				{ID: 4, Name: "hrDiskStorageCapacity", Kind: mib.Integer32},
			}},
			{Name: "hrFSTable", Entry: at.With(3, 8, 1), Keep: 5 * time.Second, Fill: g.fileSystems, Columns: []mib.Column{
				{ID: 1, Name: "hrFSIndex", Kind: mib.Integer32},
				{ID: 2, Name: "hrFSMountPoint", Kind: mib.OctetString},
				{ID: 3, Name: "hrFSRemoteMountPoint", Kind: mib.OctetString},
				{ID: 4, Name: "hrFSType", Kind: mib.ObjectID},
				{ID: 5, Name: "hrFSAccess", Kind: mib.Integer32},
				{ID: 6, Name: "hrFSBootable", Kind: mib.Integer32},
				{ID: 7, Name: "hrFSStorageIndex", Kind: mib.Integer32},
				{ID: 8, Name: "hrFSLastFullBackupDate", Kind: mib.OctetString},
				{ID: 9, Name: "hrFSLastPartialBackupDate", Kind: mib.OctetString},
			}},
		},
	}}
}

// storage fills hrStorageTable: kinds of memory under the numbers that net-snmp has for them, then file systems.
func (g *group) storage(s *mib.Snapshot) {
	now := time.Now()
	row := func(number, kind uint32, name string, unit, size, used uint64) {
		unit = mibs.Scale(unit, size)
		s.Numbered(number, mib.Int(number), mib.Ref(storage.With(kind)), mib.Text(name), mib.Int(int64(unit)), mib.Int(int64(size/unit)), mib.Int(int64(used/unit)))
	}
	if m := g.machine.Memory(now); m.Total > 0 {
		row(1, storageRAM, "Physical memory", 1024, m.Total, m.Total-m.Free)
		row(3, storageVirtual, "Virtual memory", 1024, m.Total+m.SwapTotal, m.Total-m.Free+m.SwapTotal-m.SwapFree)
		row(6, storageOther, "Memory buffers", 1024, m.Total, m.Buffers)
		row(7, storageOther, "Cached memory", 1024, m.Cached, m.Cached)
		row(8, storageOther, "Shared memory", 1024, m.Shared, m.Shared)
		row(10, storageVirtual, "Swap space", 1024, m.SwapTotal, m.SwapTotal-m.SwapFree)
		row(11, storageOther, "Available memory", 1024, m.Available, 0)
	}
	for _, m := range g.machine.Mounts(now) {
		kind := uint32(storageFixed)
		switch m.Type {
		case "tmpfs":
			kind = storageRAMDisk
		case "ubifs", "jffs2", "yaffs2":
			kind = storageFlash
		case "iso9660":
			kind = storageCD
		}
		row(mountsFrom+m.Number, kind, m.Path, m.Space.Block, m.Space.Total, m.Space.Total-m.Space.Free)
	}
}

// device returns the hrDeviceIndex of a thing.
func (g *group) device(name string) uint32 { return g.machine.Book.Number("device", name, 0) }

func processor(i int) string { return "cpu" + string(appendInt(nil, i)) }

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// devices fills hrDeviceTable.
func (g *group) devices(s *mib.Snapshot) {
	now, none := time.Now(), mib.Ref(mib.OID{0, 0})
	row := func(name string, kind uint32, about string, status int, errors mib.Value) {
		n := g.device(name)
		s.Numbered(n, mib.Int(n), mib.Ref(devices.With(kind)), mib.Text(about[:min(len(about), 64)]), none, mib.Int(status), errors)
	}
	const running, down = 2, 5
	model := g.machine.Board.Model()
	if model == "" {
		model = g.machine.Identity(now).Machine
	}
	for i := range g.machine.Processors(now).Each {
		row(processor(i), deviceProcessor, model, running, mib.None)
	}
	for _, i := range g.machine.Interfaces(now) {
		status := running
		if i.State != board.StateUp {
			status = down
		}
		row("net "+i.Name, deviceNetwork, "network interface "+i.Name, status, mib.Count32(i.Counters.InErrors+i.Counters.OutErrors))
	}
	for _, d := range g.machine.Board.Disks() {
		about := d.Name
		if d.Model != "" {
			about = d.Model + " (" + d.Name + ")"
		}
		row("disk "+d.Name, deviceDisk, about, running, mib.None)
	}
}

func (g *group) processors(s *mib.Snapshot) {
	none := mib.Ref(mib.OID{0, 0})
	for i, busy := range g.machine.Load(time.Now()) {
		s.Numbered(g.device(processor(i)), none, mib.Int(busy))
	}
}

func (g *group) networks(s *mib.Snapshot) {
	for _, i := range g.machine.Interfaces(time.Now()) {
		s.Numbered(g.device("net "+i.Name), mib.Int(i.Number))
	}
}

func (g *group) disks(s *mib.Snapshot) {
	for _, d := range g.machine.Board.Disks() {
		media := 3 // hardDisk
		if len(d.Name) > 3 && (d.Name[:3] == "mmc" || d.Name[:3] == "mtd") {
			media = 1 // other: flash
		}
		s.Numbered(g.device("disk "+d.Name), access(d.ReadOnly), mib.Int(media), mib.Truth(d.Removable), mib.Int(int64(d.Size>>10)))
	}
}

// access is readWrite(1) or readOnly(2).
func access(readOnly bool) mib.Value { return mib.Truth(!readOnly) }

// kinds of file systems, below hrFSTypes (HOST-RESOURCES-TYPES).
var kinds = map[string]uint32{"ext2": 23, "ext3": 23, "ext4": 23, "vfat": 5, "exfat": 5, "iso9660": 12, "ntfs3": 9, "xfs": 1}

func (g *group) fileSystems(s *mib.Snapshot) {
	never := mib.Octets([]byte{0, 0, 1, 1, 0, 0, 0, 0}) // as the RFC has a date that is not known
	for _, m := range g.machine.Mounts(time.Now()) {
		kind := max(kinds[m.Type], 1)
		s.Numbered(m.Number, mib.Int(m.Number), mib.Text(m.Path), mib.Text(""), mib.Ref(systems.With(kind)), access(m.ReadOnly),
			mib.Truth(m.Path == "/"), mib.Int(mountsFrom+m.Number), never, never)
	}
}
