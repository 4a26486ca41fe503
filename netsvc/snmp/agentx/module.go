package agentx

import (
	"context"
	"strings"
	"sync"
	"time"

	"linnet/netsvc/config"
	"linnet/netsvc/event"
	"linnet/netsvc/module"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
	"linnet/netsvc/snmp/mibs/linnet"
	"linnet/netsvc/snmp/mibs/netservices"
	"linnet/netsvc/snmp/notice"
)

func init() {
	module.Register(module.Info{
		Name:    "agentx",
		Summary: "sub-agent of the machine's own snmpd",
		Specs:   []string{"RFC 2741"},
		New:     func() module.Module { return new(service) },
	})
}

// service is one generation.
type service struct {
	host   module.Host
	live   *live
	master string
	groups []mib.Group
}

// live is what runs, over generations.
type live struct {
	start   time.Time
	stop    context.CancelFunc
	unwatch func()
	wait    sync.WaitGroup
}

func (s *service) Setup(h module.Host) error {
	s.host = h
	s.live = module.Live(h, "agentx", func() *live { return &live{start: time.Now()} })
	h.Options().About("Sub-agent of the machine's own snmpd, which then answers for linnet, too.").
		String(&s.master, "master", "", `where that listens: "/var/agentx/master" or "tcp:127.0.0.1:705"; empty for no sub-agent`)
	h.Options().Check(func() error {
		if s.master != "" && !strings.HasPrefix(s.master, "/") && !strings.HasPrefix(s.master, "unix:/") && !strings.HasPrefix(s.master, "tcp:") {
			return config.Bad("master", `must be a path, or begin with "tcp:"`)
		}
		return nil
	})
	env := &mib.Env{Host: h, Began: func() time.Time { return s.live.start }, Tree: func() *mib.Tree { return nil }}
	s.groups = append(netservices.Groups(env), linnet.Groups(env)...)
	return nil
}

// Enabled implements module.Optional.
func (s *service) Enabled() bool { return s.master != "" }

// Start implements module.Starter.
func (s *service) Start(ctx context.Context) error {
	if err := mibs.Of(s.host).Settle(ctx, s.groups); err != nil {
		s.host.Log().Warn("numbers of rows are late", "cause", err)
	}
	return nil
}

// Switch implements module.Switcher: a session goes on with what the new generation shows by beginning anew.
func (s *service) Switch() {
	s.end()
	tree, err := mib.NewTree(s.groups...)
	if err != nil {
		s.host.Log().Error("objects left out", "cause", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	one := &session{master: s.master, tree: tree, log: s.host.Log()}
	s.live.stop = stop
	s.live.unwatch = event.Of(s.host).Watch(func(e event.Event) { one.tell(notice.Of(e)) })
	s.live.wait.Go(func() { one.run(ctx) })
}

func (s *service) end() {
	if s.live.stop != nil {
		s.live.unwatch()
		s.live.stop()
	}
}

// Stop implements module.Stopper.
func (s *service) Stop(context.Context) error {
	s.end()
	s.live.wait.Wait()
	s.live.stop = nil
	return nil
}
