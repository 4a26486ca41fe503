// Package ucd is the part of UCD-SNMP-MIB that management stations draw their graphs of Linux machines from: memory,
// file systems, load and the time of the processors. The MIB is that of net-snmp 5.9; there is no RFC.
//
// Thresholds are not configured here, so no flag of this MIB ever says error: they are linnet's own events.
package ucd

import (
	"strconv"
	"time"

	"linnet/board"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
)

type group struct{ machine *mibs.Machine }

var (
	memory = mib.OID{1, 3, 6, 1, 4, 1, 2021, 4}
	disks  = mib.OID{1, 3, 6, 1, 4, 1, 2021, 9, 1}
	load   = mib.OID{1, 3, 6, 1, 4, 1, 2021, 10, 1}
	system = mib.OID{1, 3, 6, 1, 4, 1, 2021, 11}
)

// sizes are the objects about memory, in kilobytes: a name, its number, and the number of the same in 64 bits.
var sizes = [...]struct {
	name string
	id   uint32
	wide uint32
}{
	{"memTotalSwap", 3, 18}, {"memAvailSwap", 4, 19}, {"memTotalReal", 5, 20}, {"memAvailReal", 6, 21}, {"memTotalFree", 11, 22},
	{"memMinimumSwap", 12, 23}, {"memShared", 13, 24}, {"memBuffer", 14, 25}, {"memCached", 15, 26}, {"memSysAvail", 0, 27},
}

// size returns the value of the row of that number in sizes, in bytes.
func size(m *board.Memory, i int) uint64 {
	return [...]uint64{m.SwapTotal, m.SwapFree, m.Total, m.Free, m.Free + m.SwapFree, 0, m.Shared, m.Buffers, m.Cached, m.Available}[i]
}

// raw are counters of system statistics, from number 50 on.
var raw = [...]string{"ssCpuRawUser", "ssCpuRawNice", "ssCpuRawSystem", "ssCpuRawIdle", "ssCpuRawWait", "ssCpuRawKernel", "ssCpuRawInterrupt",
	"ssIORawSent", "ssIORawReceived", "ssRawInterrupts", "ssRawContexts", "ssCpuRawSoftIRQ", "ssRawSwapIn", "ssRawSwapOut", "ssCpuRawSteal"}

// count returns the value of the row of that number in raw. Blocks are those of 512 bytes, as net-snmp has them.
func count(p *board.Processors, i int) uint64 {
	t := &p.All
	return [...]uint64{t.User, t.Nice, t.System, t.Idle, t.Wait, t.System, t.Interrupt, p.PageOut * 2, p.PageIn * 2,
		p.Interrupts, p.Switches, t.SoftInterrupt, p.SwapIn, p.SwapOut, t.Steal}[i]
}

// constants are objects that always say the same: a number, or a text where that is -1.
var constants = []struct {
	name   string
	at     mib.OID
	id     uint32
	number int
	text   string
}{
	{"memIndex", memory, 1, 0, ""}, {"memErrorName", memory, 2, -1, "swap"}, {"memSwapError", memory, 100, 0, ""}, {"memSwapErrorMsg", memory, 101, -1, ""},
	{"ssIndex", system, 1, 1, ""}, {"ssErrorName", system, 2, -1, "systemStats"},
}

// Groups returns the group.
func Groups(env *mib.Env) []mib.Group {
	g := &group{mibs.Of(env.Host)}
	scalars := []mib.Scalar{{Name: "ssCpuNumCpus", OID: system.With(67), Kind: mib.Integer32,
		Get: func(r *mib.Request) mib.Value { return mib.Int(len(g.machine.Processors(r.Now).Each)) }}}
	for _, c := range constants {
		v := mib.Int(c.number)
		if c.number < 0 {
			v = mib.Text(c.text)
		}
		scalars = append(scalars, mib.Scalar{Name: c.name, OID: c.at.With(c.id), Kind: v.Kind(), Get: func(*mib.Request) mib.Value { return v }})
	}
	for i, row := range sizes {
		if row.id != 0 {
			scalars = append(scalars, mib.Scalar{Name: row.name, OID: memory.With(row.id), Kind: mib.Integer32, Get: func(r *mib.Request) mib.Value {
				m := g.machine.Memory(r.Now)
				return mib.Int(int64(size(&m, i) >> 10))
			}})
			row.name += "X"
		}
		scalars = append(scalars, mib.Scalar{Name: row.name, OID: memory.With(row.wide), Kind: mib.Counter64, Get: func(r *mib.Request) mib.Value {
			m := g.machine.Memory(r.Now)
			return mib.Count64(size(&m, i) >> 10)
		}})
	}
	for i, name := range raw {
		scalars = append(scalars, mib.Scalar{Name: name, OID: system.With(uint32(50 + i)), Kind: mib.Counter32, Get: func(r *mib.Request) mib.Value {
			p := g.machine.Processors(r.Now)
			return mib.Count32(count(&p, i))
		}})
	}
	return []mib.Group{{
		Name: "UCD-SNMP-MIB", ID: mib.OID{1, 3, 6, 1, 4, 1, 2021}, About: "Memory, load and disks, as net-snmp shows them.",
		Scalars: scalars,
		Tables: []mib.Table{
			{Name: "dskTable", Entry: disks, Keep: 5 * time.Second, Fill: g.disks, Columns: diskColumns},
			{Name: "laTable", Entry: load, Keep: 5 * time.Second, Fill: g.load, Columns: loadColumns},
		},
	}}
}

var diskColumns = []mib.Column{
	{ID: 1, Name: "dskIndex", Kind: mib.Integer32},
	{ID: 2, Name: "dskPath", Kind: mib.OctetString},
	{ID: 3, Name: "dskDevice", Kind: mib.OctetString},
	{ID: 4, Name: "dskMinimum", Kind: mib.Integer32},
	{ID: 5, Name: "dskMinPercent", Kind: mib.Integer32},
	{ID: 6, Name: "dskTotal", Kind: mib.Integer32},
	{ID: 7, Name: "dskAvail", Kind: mib.Integer32},
	{ID: 8, Name: "dskUsed", Kind: mib.Integer32},
	{ID: 9, Name: "dskPercent", Kind: mib.Integer32},
	{ID: 10, Name: "dskPercentNode", Kind: mib.Integer32},
	{ID: 11, Name: "dskTotalLow", Kind: mib.Gauge32},
	{ID: 12, Name: "dskTotalHigh", Kind: mib.Gauge32},
	{ID: 13, Name: "dskAvailLow", Kind: mib.Gauge32},
	{ID: 14, Name: "dskAvailHigh", Kind: mib.Gauge32},
	{ID: 15, Name: "dskUsedLow", Kind: mib.Gauge32},
	{ID: 16, Name: "dskUsedHigh", Kind: mib.Gauge32},
	{ID: 100, Name: "dskErrorFlag", Kind: mib.Integer32},
	{ID: 101, Name: "dskErrorMsg", Kind: mib.OctetString},
}

var loadColumns = []mib.Column{
	{ID: 1, Name: "laIndex", Kind: mib.Integer32},
	{ID: 2, Name: "laNames", Kind: mib.OctetString},
	{ID: 3, Name: "laLoad", Kind: mib.OctetString},
	{ID: 4, Name: "laConfig", Kind: mib.OctetString},
	{ID: 5, Name: "laLoadInt", Kind: mib.Integer32},
	{ID: 6, Name: "laLoadFloat", Kind: mib.Opaque},
	{ID: 100, Name: "laErrorFlag", Kind: mib.Integer32},
	{ID: 101, Name: "laErrMessage", Kind: mib.OctetString},
}

func (g *group) disks(s *mib.Snapshot) {
	for _, m := range g.machine.Mounts(time.Now()) {
		total, available, used := m.Space.Total>>10, m.Space.Available>>10, (m.Space.Total-m.Space.Free)>>10
		low := func(n uint64) mib.Value { return mib.Gauge(n & 0xffffffff) }
		high := func(n uint64) mib.Value { return mib.Gauge(n >> 32) }
		s.Numbered(m.Number, mib.Int(m.Number), mib.Text(m.Path), mib.Text(m.Device), mib.Int(-1), mib.Int(-1),
			mib.Int(int64(total)), mib.Int(int64(available)), mib.Int(int64(used)),
			// As df has it: of what users can have, rounded up.
			percent(used, used+available), percent(m.Space.Files-m.Space.FilesFree, m.Space.Files),
			low(total), high(total), low(available), high(available), low(used), high(used), mib.Int(0), mib.Text(""))
	}
}

// percent rounds up; of nothing it is 0.
func percent(part, whole uint64) mib.Value {
	if whole == 0 {
		return mib.Int(0)
	}
	return mib.Int(int64((part*100 + whole - 1) / whole))
}

func (g *group) load(s *mib.Snapshot) {
	l, err := g.machine.Board.Load()
	if err != nil {
		return
	}
	for i, name := range [...]string{"Load-1", "Load-5", "Load-15"} {
		n := l.Average[i]
		text := strconv.Itoa(int(n/100)) + "." + strconv.Itoa(int(n/10%10)) + strconv.Itoa(int(n%10))
		s.Numbered(uint32(i)+1, mib.Int(i+1), mib.Text(name), mib.Text(text), mib.Text("0.00"), mib.Int(n), mib.Float(float32(n)/100), mib.Int(0), mib.Text(""))
	}
}
