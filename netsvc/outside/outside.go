package outside

import (
	"net/netip"
	"slices"
	"strings"
	"sync"

	"linnet/netsvc/module"
)

// Of returns what this node knows of the outside, the same for all who ask, over all generations.
func Of(h module.Host) *Outside { return module.Live(h, "outside", New) }

// Outside is what is wanted and known. It owns both, under its mutex; safe for concurrent use.
type Outside struct {
	mu       sync.Mutex
	address  netip.Addr
	reason   string // for none
	targets  map[Target]*target
	watchers []*watcher
	mapper   func()
}

// Target is a port of this box.
type Target struct {
	Network string // "tcp" or "udp"
	Port    uint16
}

// target is a Target that somebody wants.
type target struct {
	holders  int
	external netip.AddrPort // zero while it cannot be reached
}

type watcher struct{ changed func() }

// New returns an Outside that knows nothing.
func New() *Outside { return &Outside{targets: make(map[Target]*target)} }

// Address returns the public IPv4 address that this box is reached at; zero while it is unknown, or when there is
// none because the router itself stands behind another one.
func (o *Outside) Address() netip.Addr {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.address
}

// Reason says for people why there is no Address; "" when there is one, and where nobody has looked for it.
func (o *Outside) Reason() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.address.IsValid() {
		return ""
	}
	return o.reason
}

// Explain is for the mapper: it sets the Reason.
func (o *Outside) Explain(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reason = reason
}

// Want asks that a port of this box be reachable from outside, until Release. network is "tcp" or "udp". It returns
// at once: whether and when it can be reached, External tells. Several may want the same port.
func (o *Outside) Want(network string, port uint16) *Port {
	if network != "tcp" && network != "udp" || port == 0 {
		panic("outside: a port is tcp or udp and has a number")
	}
	key := Target{network, port}
	o.mu.Lock()
	t := o.targets[key]
	fresh := t == nil
	if fresh {
		t = new(target)
		o.targets[key] = t
	}
	t.holders++
	mapper := o.mapper
	o.mu.Unlock()
	if fresh && mapper != nil {
		mapper()
	}
	return &Port{outside: o, key: key, target: t}
}

// Port is one wish to be reachable.
type Port struct {
	outside  *Outside
	key      Target
	target   *target
	released bool // under outside.mu
}

// External returns where the port is reached from outside; false while it cannot be, as far as is known.
func (p *Port) External() (netip.AddrPort, bool) {
	p.outside.mu.Lock()
	defer p.outside.mu.Unlock()
	return p.target.external, p.target.external.IsValid() && !p.released
}

// Release ends the wish. The mapping is removed when nobody wants the port any more. Again it does nothing.
func (p *Port) Release() {
	o := p.outside
	o.mu.Lock()
	if p.released {
		o.mu.Unlock()
		return
	}
	p.released = true
	p.target.holders--
	last := p.target.holders == 0
	if last {
		delete(o.targets, p.key)
	}
	mapper := o.mapper
	o.mu.Unlock()
	if last && mapper != nil {
		mapper()
	}
}

// Watch has f called after Address or the External of some port has changed, until stop is called. f may not block;
// it can call any method. While stop runs, a last call may be under way.
func (o *Outside) Watch(f func()) (stop func()) {
	w := &watcher{f}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watchers = append(slices.Clip(o.watchers), w) // Publish reads the old list
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.watchers = slices.DeleteFunc(slices.Clone(o.watchers), func(other *watcher) bool { return other == w })
	}
}

// Map makes wanted be called after what is wanted has changed. There is one mapper at a time; nil is none. wanted
// may not block.
func (o *Outside) Map(wanted func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mapper = wanted
}

// Wanted lists the ports that somebody wants, tcp first, by number.
func (o *Outside) Wanted() []Target {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]Target, 0, len(o.targets))
	for key := range o.targets {
		list = append(list, key)
	}
	slices.SortFunc(list, Target.Compare)
	return list
}

// Compare orders targets: tcp before udp, then by number.
func (t Target) Compare(other Target) int {
	if c := strings.Compare(t.Network, other.Network); c != 0 {
		return c
	}
	return int(t.Port) - int(other.Port)
}

// Publish is for the mapper: it replaces what was known. external tells for a wanted port where it is reached, zero
// when it is not. Watchers are called on this goroutine, if anything has changed.
func (o *Outside) Publish(address netip.Addr, external func(Target) netip.AddrPort) {
	o.mu.Lock()
	changed := o.address != address
	o.address = address
	for key, t := range o.targets {
		if now := external(key); now != t.external {
			t.external, changed = now, true
		}
	}
	watchers := o.watchers
	o.mu.Unlock()
	if !changed {
		return
	}
	for _, w := range watchers {
		w.changed()
	}
}
