package mibs

import (
	"context"
	"sync"
	"time"

	"linnet/board"
	"linnet/netsvc/module"
	"linnet/netsvc/snmp/mib"
)

// Ages up to which a reading is shown again. What changes slowly and is dear to read is kept longer.
const (
	moment = time.Second
	while  = 5 * time.Second
)

// Machine is the board as the groups see it: read at most once a moment, with numbers that stay. It outlives
// generations. Safe for concurrent use; what it returns is shared and not to be changed.
type Machine struct {
	Book  *Book
	Board *board.Board

	identity   kept[board.Identity]
	memory     kept[board.Memory]
	processors kept[board.Processors]
	protocols  kept[board.Protocols]
	interfaces kept[[]Interface]
	mounts     kept[[]Mount]
	sensors    kept[[]board.Sensor]

	mu      sync.Mutex
	links   map[string]link // by name
	changed time.Time       // when the list of interfaces changed last
	loads   loads
}

// link is what is remembered of an interface.
type link struct {
	state board.State
	index int // the kernel's: another one is another interface of the same name
	since time.Time
	born  time.Time
}

// Of returns the Machine of a node; it is called in Setup.
func Of(h module.Host) *Machine { return With(h, board.New) }

// With is Of for tests, which bring a board of their own: it has to come before Of.
func With(h module.Host, make func() *board.Board) *Machine {
	m := module.Live(h, "snmp/machine", func() *Machine { return &Machine{Book: newBook(h), Board: make()} })
	h.Table(m.Book.table)
	return m
}

// Settle draws the numbers of everything that the groups show now and returns when they are kept. It is called in
// Start, so that the first manager who asks sees all there is.
func (m *Machine) Settle(ctx context.Context, groups []mib.Group) error {
	for range passes {
		tree, _ := mib.NewTree(groups...) // a mistake in groups is not ours to tell
		m.Forget()
		before := m.Book.draws()
		r := mib.Request{Now: time.Now()}
		name, next, v := mib.OID{0, 0}, mib.OID(nil), mib.None
		for v.Kind() != mib.EndOfMIBView {
			next, v = tree.Next(&r, name, next)
			name, next = next, name
		}
		db := m.Book.host.Store()
		if db == nil || m.Book.draws() == before {
			m.Forget()
			return nil
		}
		kept := make(chan struct{})
		db.Barrier(func() { close(kept) })
		select { // and once more: what has a number now may need one elsewhere
		case <-kept:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil // the store fails: what has no number is not shown
}

// passes are how many times at most Settle looks; two are enough unless things come meanwhile.
const passes = 4

// kept is a reading that is shown again until it is too old.
type kept[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
}

// get reads anew when what is there is older than age. A failed reading is a zero value: it is shown, too.
func (k *kept[T]) get(now time.Time, age time.Duration, read func() T) T {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at.IsZero() || now.Sub(k.at) >= age {
		k.value, k.at = read(), now
	}
	return k.value
}

// forget makes the next question a reading.
func (k *kept[T]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = time.Time{}
}

// Forget makes everything be read anew: who has just changed something need not wait a moment to see it.
func (m *Machine) Forget() {
	m.identity.forget()
	m.memory.forget()
	m.processors.forget()
	m.protocols.forget()
	m.interfaces.forget()
	m.mounts.forget()
	m.sensors.forget()
}

// Identity says what machine it is.
func (m *Machine) Identity(now time.Time) board.Identity {
	return m.identity.get(now, time.Minute, m.Board.Identity)
}

// Memory returns how much memory there is and how much is used.
func (m *Machine) Memory(now time.Time) board.Memory {
	return m.memory.get(now, moment, func() board.Memory { v, _ := m.Board.Memory(); return v })
}

// Protocols returns the counters of the network stack; nil when the kernel does not tell.
func (m *Machine) Protocols(now time.Time) board.Protocols {
	return m.protocols.get(now, moment, func() board.Protocols { v, _ := m.Board.Protocols(); return v })
}

// Sensors returns what the sensors measure.
func (m *Machine) Sensors(now time.Time) []board.Sensor {
	return m.sensors.get(now, while, m.Board.Sensors)
}

// Interface is a network interface with its ifIndex.
type Interface struct {
	board.Interface
	Number uint32
	Since  time.Time // when it came into its state; zero for before we looked
	Born   time.Time // when its counters began anew; zero likewise
}

// InterfaceNumber returns the ifIndex of an interface: the kernel's at first sight, kept by name. It is 0 until it
// is kept.
func (m *Machine) InterfaceNumber(name string, kernel int) uint32 {
	return m.Book.Number("interface", name, uint32(kernel))
}

// Interfaces returns the interfaces that have a number.
func (m *Machine) Interfaces(now time.Time) []Interface {
	return m.interfaces.get(now, moment, func() []Interface {
		list, err := m.Board.Interfaces()
		if err != nil {
			return nil // which says nothing about who came or went
		}
		all := make([]Interface, 0, len(list))
		m.mu.Lock()
		defer m.mu.Unlock()
		before := m.links
		m.links = make(map[string]link, len(list))
		for i := range list {
			one := &list[i]
			l, known := before[one.Name]
			if !known || l.index != one.Index {
				l = link{state: one.State, index: one.Index}
				if before != nil {
					l.since, l.born, m.changed = now, now, now
				}
			} else if l.state != one.State {
				l.state, l.since = one.State, now
			}
			m.links[one.Name] = l
			if n := m.InterfaceNumber(one.Name, one.Index); n != 0 {
				all = append(all, Interface{*one, n, l.since, l.born})
			}
		}
		if len(before) > len(list) {
			m.changed = now
		}
		return all
	})
}

// InterfacesChanged returns when interfaces came or went last; zero for not since we look.
func (m *Machine) InterfacesChanged() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Numbers maps the kernel's numbers of interfaces to those that stay.
func (m *Machine) Numbers(now time.Time) map[int]uint32 {
	numbers := make(map[int]uint32)
	for _, i := range m.Interfaces(now) {
		numbers[i.Index] = i.Number
	}
	return numbers
}

// Mount is a file system with its number.
type Mount struct {
	board.Mount
	Number uint32
}

// Mounts returns the file systems that have a number.
func (m *Machine) Mounts(now time.Time) []Mount {
	return m.mounts.get(now, while, func() []Mount {
		var all []Mount
		for _, one := range m.Board.Mounts() {
			if n := m.Book.Number("mount", one.Path, 0); n != 0 {
				all = append(all, Mount{one, n})
			}
		}
		return all
	})
}

// Processors returns where the time of the processors went.
func (m *Machine) Processors(now time.Time) board.Processors {
	return m.processors.get(now, moment, func() board.Processors {
		p, _ := m.Board.Processors()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.loads.add(now, p)
		return p
	})
}

// Load returns by how many percent each processor was busy over the last minute, or since it is known.
func (m *Machine) Load(now time.Time) []int {
	m.Processors(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loads.busy
}

// loads compares the processors with what they were about a minute ago. Nothing runs in between, so the time is
// that between two readings which are at least a minute apart, or since the machine started at the first.
type loads struct {
	at     time.Time
	base   []board.Ticks // a minute ago, or longer
	recent []board.Ticks // of the time at: becomes base a minute later
	busy   []int
}

func (l *loads) add(now time.Time, p board.Processors) {
	if len(l.recent) != len(p.Each) || now.Sub(l.at) >= time.Minute {
		l.base, l.recent, l.at = l.recent, p.Each, now
	}
	l.busy = make([]int, len(p.Each))
	for i, t := range p.Each {
		var was board.Ticks
		if len(l.base) == len(p.Each) {
			was = l.base[i]
		}
		if total := int64(t.Total() - was.Total()); total > 0 {
			l.busy[i] = int(min(max(int64(t.Busy()-was.Busy()), 0)*100/total, 100))
		}
	}
}

// Hundredths makes a duration of hundredths of a second.
func Hundredths(n uint64) time.Duration { return time.Duration(n) * 10 * time.Millisecond }

// Scale makes a size in bytes one in units, together with a unit that keeps it within an Integer32.
func Scale(unit, bytes uint64) (scaled uint64) {
	unit = max(unit, 1)
	for bytes/unit > 1<<31-1 {
		unit *= 2
	}
	return unit
}
