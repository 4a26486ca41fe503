package snmp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"linnet/netsvc/event"
	"linnet/netsvc/module"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
	"linnet/store"
	"linnet/store/table"
)

func init() {
	module.Register(module.Info{
		Name:    "snmp",
		Summary: "SNMP agent for network management stations",
		Specs: []string{"RFC 1157", "RFC 1901", "RFC 3411", "RFC 3412", "RFC 3413", "RFC 3414", "RFC 3416", "RFC 3417", "RFC 3418",
			"RFC 3584", "RFC 3826", "RFC 7860"},
		New: func() module.Module { return new(service) },
	})
}

// service is one generation.
type service struct {
	host    module.Host
	agent   *Agent
	table   *table.Table
	options options
	groups  []mib.Group
	access  *access // made by Start for the first generation
}

func newAgent() *Agent {
	a := &Agent{limiter: newLimiter(), made: time.Now()}
	var b [12]byte
	rand.Read(b[:])
	a.salt.Store(binary.BigEndian.Uint64(b[:]))
	a.ids.Store(binary.BigEndian.Uint32(b[8:]))
	return a
}

func (s *service) Setup(h module.Host) error {
	s.host = h
	s.agent = module.Live(h, "snmp", newAgent)
	s.table = table.New("snmp", table.None)
	h.Table(s.table)
	s.options.declare(h.Options().About("SNMP agent for network management stations."))
	h.Listen(&module.Listener{Name: "snmp", Addrs: &s.options.listen, Security: module.Plain,
		Packets: func(c *net.UDPConn) { s.agent.packets(c) }})

	s.commands(h)
	s.agent.metrics(h.Metrics())

	env := &mib.Env{Host: h, Began: s.agent.began, Tree: s.agent.tree.Load}
	s.groups = s.tables(s.agent.own(h, s.table))
	for _, make := range groups {
		s.groups = append(s.groups, make(env)...)
	}
	return nil
}

// Enabled implements module.Optional: an agent that nobody may ask and that tells nobody need not run.
func (s *service) Enabled() bool {
	o := &s.options
	return len(o.users)+len(o.communities)+len(o.targets) > 0
}

// Start implements module.Starter.
func (s *service) Start(ctx context.Context) error {
	a := s.agent
	a.log = s.host.Log()
	remembered, err := s.remember()
	if err != nil {
		return err
	}
	e, lost, err := startEngine(s.host.Site().Data, remembered, time.Now())
	if err != nil {
		return fmt.Errorf("the identity of the SNMP engine: %w", err)
	}
	if lost {
		a.log.Error("engine identity lost: managers must discover it, users without a secret in the configuration must get new keys", "file", engineFile, "id", fmt.Sprintf("%x", e.id))
	}
	if err := keep(s.host, s.table, rowEngine, append(binary.BigEndian.AppendUint32(nil, e.boots), e.id...)); err != nil {
		a.log.Warn("engine boots are only in the file", "cause", err)
	}
	a.engine.Store(e)
	a.running, a.stop = context.WithCancel(context.Background())
	s.access = s.newAccess()
	return mibs.Of(s.host).Settle(ctx, s.groups)
}

// remember reads what the database knows: the engine, and what managers have set.
func (s *service) remember() (at identity, err error) {
	s.agent.traps.Store(s.options.authTraps)
	err = s.host.Store().View(func(tx *store.Tx) error {
		if b, ok := tx.Get(s.table, []byte(rowEngine)); ok && len(b) > 4 {
			at = identity{boots: binary.BigEndian.Uint32(b), id: b[4:]}
		}
		if b, ok := tx.Get(s.table, []byte(rowTraps)); ok && len(b) == 1 {
			s.agent.traps.Store(b[0] == 1)
		}
		if b, ok := tx.Get(s.table, []byte(rowSerial)); ok && len(b) == 4 {
			s.agent.serial.Store(int32(binary.BigEndian.Uint32(b)))
		}
		return nil
	})
	return at, err
}

// Switch implements module.Switcher.
func (s *service) Switch() {
	a := s.agent
	a.current.Store(s)
	if s.access != nil {
		s.publish(s.access)
		s.access = nil
		a.unwatch = event.Of(s.host).Watch(a.event)
		a.begun(s)
		return
	}
	// Making keys takes a moment on a small board. Until then the rights of the generation before hold.
	a.telling.Go(func() {
		if made := s.newAccess(); a.current.Load() == s {
			s.publish(made)
		}
	})
}

// publish makes this generation the one that answers.
func (s *service) publish(made *access) {
	a := s.agent
	a.tree.Store(made.tree)
	a.access.Store(made)
	if len(made.targets) > 0 && a.linked.CompareAndSwap(false, true) {
		if err := a.watchLinks(a.running, mibs.Of(s.host)); err != nil {
			a.log.Warn("interfaces cannot be watched", "cause", err)
		}
	}
}

// Stop implements module.Stopper.
func (s *service) Stop(context.Context) error {
	a := s.agent
	a.current.Store(nil)
	if a.unwatch != nil {
		a.unwatch()
	}
	a.access.Store(nil)
	a.stop()
	a.telling.Wait()
	a.access.Store(nil) // again: a reload may just have been making its own
	a.linked.Store(false)
	a.engine.Store(nil)
	return nil
}
