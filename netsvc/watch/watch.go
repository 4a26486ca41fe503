// Package watch looks at the node once a second and sees what no service sees of itself: how fast counters grow,
// how the process and the machine are, and when a figure passes a limit that somebody must hear of.
//
// It owns the rates, the metrics of the process, the data's file system and the machine, the limits with their
// options, and the events that follow from them: service down, memory scarce, storage nearly full or failing, flash-wear
// budget passed, flash worn, certificate expiring, brute force. It does not own the metrics that it judges, nor
// how events are told (netsvc/event); events that only their source can notice are raised there.
//
// Limits have no hold-down: what passes one is told at the next look. What trembles around a limit is told once,
// for it must first fall well below.
package watch

import (
	"context"
	"sync"
	"time"

	"linnet/board"
	"linnet/netsvc/command"
	"linnet/netsvc/event"
	"linnet/netsvc/module"
)

func init() {
	module.Register(module.Info{
		Name:    "watch",
		Summary: "rates, the state of process and machine, and from where on somebody is told",
		New:     func() module.Module { return new(service) },
	})
}

// service is one generation.
type service struct {
	host  module.Host
	look  *looker
	rules rules
}

// rules are the limits of one generation, and the events that are raised beyond them.
type rules struct {
	memory, storage, worn, logins int
	budget                        int64
	certificate                   time.Duration

	down, scarce, full, failing, passed, old, expiring, force *event.Source
}

// Setup implements module.Module.
func (p *service) Setup(h module.Host) error {
	p.host = h
	p.look = module.Live(h, "watch", func() *looker { return &looker{board: board.New(), disk: disk} })
	r := &p.rules
	o := h.Options()
	o.Int(&r.memory, "memory", 85, "percent of the memory limit that are in use").Range(2*relief, 100)
	o.Int(&r.storage, "storage", 90, "percent of the file system with the data that are in use").Range(2*relief, 100)
	o.Bytes(&r.budget, "flash_budget", 1<<30, "bytes written to the data in a day (UTC); 0 for no limit")
	o.Int(&r.worn, "flash_worn", 80, "percent of the life of a flash chip that are gone").Range(2*relief, 100)
	o.Duration(&r.certificate, "certificate", 14*24*time.Hour, "how soon a certificate from a file ends").Between(time.Hour, 365*24*time.Hour)
	o.Int(&r.logins, "failed_logins", 60, "failed logins in a minute").Range(1, 1<<20)

	declare := func(name string, s event.Severity, help string, fields ...event.Field) *event.Source {
		return event.Declare(h, event.Desc{Name: name, Severity: s, Help: help, Fields: fields})
	}
	percent := event.Field{Name: "percent", Kind: event.Number}
	r.down = declare("serviceDown", event.Critical, "A service has stopped.", event.Field{Name: "service"})
	r.scarce = declare("memoryScarce", event.Warning, "Memory is scarce.", percent)
	r.full = declare("storageNearlyFull", event.Warning, "The storage is nearly full.", event.Field{Name: "path"}, percent)
	r.failing = declare("storeFailing", event.Critical, "The store cannot be written, or is damaged.")
	r.passed = declare("flashBudgetPassed", event.Warning, "More was written today than the flash should bear.",
		event.Field{Name: "megabytes", Kind: event.Number})
	r.old = declare("flashWorn", event.Warning, "A flash chip comes to the end of its life.", event.Field{Name: "device"}, percent)
	r.expiring = declare("certificateExpiring", event.Warning, "A certificate ends soon.", event.Field{Name: "domain"},
		event.Field{Name: "hours", Kind: event.Number})
	r.force = declare("bruteForce", event.Warning, "Somebody tries to guess passwords.", event.Field{Name: "failures", Kind: event.Number})

	p.metrics(h.Metrics())
	h.Command(command.Command{Name: "event list", Effect: command.Read, Role: command.Operator, Run: p.list,
		Help: "Show what is wrong now.",
		Args: []command.Arg{{Name: "past", Kind: command.Bool, Help: "show the newest events instead, those that are over too"}}})
	return nil
}

// Enabled implements module.Optional.
func (p *service) Enabled() bool { return true }

// Start implements module.Starter.
func (p *service) Start(context.Context) error {
	p.look.start()
	return nil
}

// Switch implements module.Switcher.
func (p *service) Switch() { p.look.follow(p) }

// Stop implements module.Stopper.
func (p *service) Stop(context.Context) error {
	p.look.stop()
	return nil
}

// looker is the live part: the timer and what was seen.
type looker struct {
	board *board.Board
	disk  func(path string) (size, free uint64)

	mu      sync.Mutex // held during a look: looks never overlap
	timer   *time.Timer
	begun   time.Time // looks are whole seconds after it
	current *service
	rates   rates
	ran     map[string]bool // services that have been seen running
}

// every is the time between two looks; slow is of how many looks one looks at what changes slowly.
const (
	every = time.Second
	slow  = 60
)

func (l *looker) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun, l.rates, l.ran = time.Now(), rates{}, make(map[string]bool)
	l.timer = time.AfterFunc(every, l.look)
}

func (l *looker) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
	l.timer = nil
}

func (l *looker) follow(p *service) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.rates.names = p, nil
}

// look is the timer's function.
func (l *looker) look() {
	l.mu.Lock()
	p, names := l.current, l.rates.names
	l.mu.Unlock()
	if p != nil && names == nil {
		names = growing(p.host) // without mu: it reads the metrics of this package too
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		return
	}
	now := time.Now()
	second := int(now.Sub(l.begun) / every)
	l.timer.Reset(l.begun.Add(time.Duration(second+1) * every).Sub(now))
	if p == nil || l.current != p { // the next look sees the new generation
		return
	}
	l.rates.names = names
	l.rates.take(l.current.host, second)
	l.judge(second%slow == 1)
}

// list is the command.
func (p *service) list(_ context.Context, call *command.Call) (*command.Result, error) {
	r := command.Table(command.Column{Name: "time", Kind: command.Time}, command.Column{Name: "severity"},
		command.Column{Name: "event"}, command.Column{Name: "state"}, command.Column{Name: "about"})
	all := event.Of(p.host)
	list := all.Now()
	if call.Bool("past") {
		list = all.Past()
	}
	for _, e := range list {
		state := "raised"
		if !e.Raised {
			state = "over"
		}
		r.Row(command.Stamp(e.At), e.Desc.Severity.String(), e.Desc.Name, state, e.Text())
	}
	return r, nil
}
