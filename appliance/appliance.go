package appliance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"linnet/appliance/control"
	"linnet/appliance/firstboot"
	"linnet/appliance/guard"
	"linnet/appliance/journal"
	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/store"
)

// stopTime is how long a graceful end may take; what is not done by then is done by the next start.
const stopTime = 4 * time.Second

// flushTime is how long the end waits until the log is written.
const flushTime = 500 * time.Millisecond

// Options say what a node is made of. The zero value is a node of all registered services, with its data in
// the default directory.
type Options struct {
	Config string   // the configuration file, "" for none
	Data   string   // the directory of the data, "" for that of the configuration
	Set    []string // "section.option=value": they win over the file

	Services []module.Info                                       // nil for all that are registered
	Absent   func(section string) (feature string, missing bool) // see settings.Source

	Version string
	Built   time.Time // see store.Options
	Program string    // how this program is called, for the commands that Run shows: "linnet"
	Checker []string  // see store.Options.CheckCommand

	Out io.Writer // gets the welcome; nil for nobody
	Log io.Writer // gets the log; nil for the ring alone
}

// Appliance is one node. Its methods may be called by any goroutine.
type Appliance struct {
	opts    Options
	journal *journal.Journal
	log     *log.Logger
	metrics *metric.Set
	guard   *guard.Guard
	live    live
	sockets sockets
	current atomic.Pointer[generation]
	first   atomic.Pointer[generation] // built by New; nil once it has become the current one
	began   time.Time

	work    sync.Mutex // see the package comment
	running bool
	store   *store.Store
	control *control.Server
	welcome firstboot.Welcome

	ending    chan struct{} // closed when the program is to end
	endOnce   sync.Once
	endReason string
	restart   bool
}

// ErrRestart is what Run returns when the program is to begin anew.
var ErrRestart = errors.New("restart asked for")

// New sets all services up and checks the configuration; nothing is opened, started or written. An error
// that the operator can mend is a config.Problems.
func New(opts Options) (*Appliance, error) {
	if opts.Services == nil {
		opts.Services = module.All()
	}
	opts.Version = cmp.Or(opts.Version, "development")
	opts.Program = cmp.Or(opts.Program, "linnet")
	if opts.Data != "" {
		opts.Set = append([]string{"data=" + opts.Data}, opts.Set...)
	}
	a := &Appliance{opts: opts, journal: journal.New(opts.Log), metrics: metric.NewSet(), ending: make(chan struct{})}
	a.log = a.journal.Log()
	a.live.state = make(map[string]any)
	a.sockets = sockets{a: a, open: make(map[string]*socket)}
	a.guard = guard.New(a.log.With("service", "guard"), nil, a.press)
	g, err := a.build()
	if err != nil {
		return nil, err
	}
	a.first.Store(g)
	return a, nil
}

// Schema returns the options of the generation that is current, or would be.
func (a *Appliance) Schema() *config.Schema { return a.generation().declared.Schema }

// Run starts the node, runs it until ctx ends or somebody asks it to end, and stops it. It returns nil after
// an orderly end, ErrRestart when another one is wanted. A start that was begun comes to its end first: there may be
// a password in it that is shown only once.
func (a *Appliance) Run(ctx context.Context) error {
	if err := a.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		a.end("asked to stop", false)
	case <-a.ending:
	}
	err := a.Close()
	if err == nil && a.restart {
		err = ErrRestart
	}
	return err
}

// Start brings the node up and returns when it accepts connections. Close must follow, unless Start failed.
func (a *Appliance) Start(ctx context.Context) (err error) {
	a.work.Lock()
	defer a.work.Unlock()
	g := a.first.Load()
	if a.running || g == nil {
		return errors.New("the appliance was started before")
	}
	a.began = time.Now()
	a.journal.SetLevel(journal.Level(g.base.level))
	if err := os.MkdirAll(g.base.data, 0o700); err != nil {
		return dataError(g.base.data, err)
	}
	var undo []func()
	defer func() {
		if err != nil {
			for _, u := range slices.Backward(undo) {
				u()
			}
			a.FlushLog()
		}
	}()
	if a.store, err = store.Open(a.storeOptions(g)); err != nil {
		return dataError(g.base.data, err)
	}
	undo = append(undo, func() { _ = a.store.Close() })
	a.guard.Start(guard.RAM(os.DirFS("/")), uint64(g.base.memory))
	undo = append(undo, a.guard.Stop)
	if err := a.settle(ctx, g); err != nil {
		return err
	}
	unbind, err := a.sockets.bind(g)
	undo = append(undo, unbind)
	if err != nil {
		return err
	}
	var started []*module.Service
	undo = append(undo, func() { _ = a.stop(context.WithoutCancel(ctx), started) })
	if started, err = a.startServices(ctx, g.services, nil); err != nil {
		return err
	}
	a.control, err = control.Listen(g.base.data, a.Commands, a.log.With("service", "control"))
	if err != nil {
		return fmt.Errorf("the control socket cannot be opened: %w", err)
	}
	undo = append(undo, a.control.Close)
	if a.welcome, err = a.newWelcome(ctx, g); err != nil {
		return err
	}
	a.become(g)
	a.first.Store(nil) // not before: the control socket takes commands already
	a.running = true
	a.greet()
	return nil
}

// settle fills in the domains, which a device without configured ones has in its store.
func (a *Appliance) settle(ctx context.Context, g *generation) error {
	if len(g.site.Domains) > 0 {
		return nil
	}
	d, err := firstboot.Domain(ctx, a.store, g.base.siteTable)
	if err != nil {
		return err
	}
	g.site.Domains = []string{d}
	return nil
}

// startServices starts those that are not running and returns the ones it started, also when one failed.
func (a *Appliance) startServices(ctx context.Context, services []*module.Service, before *generation) (started []*module.Service, err error) {
	for _, s := range services {
		if before != nil && before.has(s.Info.Name) {
			continue
		}
		started = append(started, s) // one that failed halfway is stopped too
		if m, ok := s.Module.(module.Starter); ok {
			if err := m.Start(ctx); err != nil {
				return started, fmt.Errorf("%s: %w", s.Info.Name, err)
			}
		}
	}
	return started, nil
}

// become makes g the current generation.
func (a *Appliance) become(g *generation) {
	a.live.mu.Lock()
	a.current.Store(g)
	for name, v := range g.fresh {
		a.live.state[name] = v
	}
	g.fresh, g.used = nil, true
	a.live.mu.Unlock()
	a.metrics.Use(g.declared.Metrics)
	for _, s := range g.services {
		if m, ok := s.Module.(module.Switcher); ok {
			m.Switch()
		}
	}
	a.sockets.follow(g)
	if p := a.guard.Pressure(); p != module.Green {
		a.press(p) // the new instances have not been told
	}
}

// Reload reads the configuration again and puts it in force, or leaves everything as it is and says why. An
// error that the operator can mend is a config.Problems. It does not wait for another reload or for the end:
// a command that did would keep Close, which waits for commands, from coming to its own end.
func (a *Appliance) Reload() error {
	if !a.work.TryLock() {
		return errors.New("another reload, the start or the end is under way")
	}
	defer a.work.Unlock()
	if !a.running {
		return errors.New("the appliance does not run")
	}
	return a.reload(context.Background())
}

// Hangup is Reload where nobody but the log can be told: for the signal. It waits for the start, or for another reload
// that may have read the file before it was changed again.
func (a *Appliance) Hangup() {
	a.work.Lock()
	defer a.work.Unlock()
	if !a.running { // any more
		return
	}
	if err := a.reload(context.Background()); err != nil {
		a.log.Error("configuration not reloaded", "cause", err)
	}
}

func (a *Appliance) reload(ctx context.Context) error {
	before := a.current.Load()
	g, err := a.build()
	if err != nil {
		return err
	}
	if err := a.settle(ctx, g); err != nil {
		return err
	}
	if problems := before.refuse(g, a.store); len(problems) > 0 {
		return problems
	}
	unbind, err := a.sockets.bind(g)
	if err != nil {
		unbind()
		return err
	}
	started, err := a.startServices(ctx, g.services, before)
	if err != nil {
		unbind()
		return errors.Join(err, a.stop(ctx, started))
	}
	a.become(g)
	a.log.Info("configuration reloaded", "count", len(config.Changed(before.declared.Schema, g.declared.Schema)))
	var gone []*module.Service
	for _, s := range before.services {
		if !g.has(s.Info.Name) {
			gone = append(gone, s)
		}
	}
	// The new generation is in force: what is wrong with the end of an old service is for the log.
	if err := a.stop(ctx, gone); err != nil {
		a.log.Error("service did not stop in order", "cause", err)
	}
	return nil
}

// stop stops services in reverse order, all of them whatever happens.
func (a *Appliance) stop(ctx context.Context, services []*module.Service) error {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	var errs []error
	for _, s := range slices.Backward(services) {
		if m, ok := s.Module.(module.Stopper); ok {
			if err := m.Stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.Info.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Close ends the node: sockets close, services stop in reverse order, the store closes. It takes no longer than
// five seconds. A second call does nothing.
func (a *Appliance) Close() error {
	a.end("closed", false)
	a.work.Lock()
	defer a.work.Unlock()
	if !a.running {
		return nil
	}
	a.running = false
	begin := time.Now()
	a.log.Info("stopping", "reason", a.endReason)
	a.sockets.close()
	err := a.stop(context.Background(), a.current.Load().services)
	a.guard.Stop()
	a.control.Close()
	err = errors.Join(err, a.store.Close())
	a.log.Info("stopped", "took", time.Since(begin))
	a.FlushLog()
	return err
}

// FlushLog waits for who reads the log: for the last moment of a program, since what waits then is lost. It takes no
// longer than half a second.
func (a *Appliance) FlushLog() { a.journal.Flush(flushTime) }

// end asks Run to end. The first to ask decides how.
func (a *Appliance) end(reason string, restart bool) {
	a.endOnce.Do(func() {
		a.endReason, a.restart = reason, restart
		close(a.ending)
	})
}

// press tells the services of the current generation how scarce memory is.
func (a *Appliance) press(p module.Pressure) {
	g := a.current.Load()
	if g == nil {
		return
	}
	for _, s := range g.services {
		if m, ok := s.Module.(module.Presser); ok {
			m.Pressure(p)
		}
	}
}

// Commands returns the commands of the current generation.
func (a *Appliance) Commands() *command.Set { return a.generation().commands }

// Metrics returns the metrics of the node.
func (a *Appliance) Metrics() *metric.Set { return a.metrics }

// Bound lists the addresses the node listens on.
func (a *Appliance) Bound() []Bound { return a.sockets.bound(a.current.Load()) }

// Site returns what is known about the node; only after Start.
func (a *Appliance) Site() *module.Site { return a.current.Load().site }

// Host returns a Host for what stands above the services: an assembly in one process that wants the live state
// of a service, by that service's own accessor. Nothing may be declared on it. Before Start the live state is what
// declarations made.
func (a *Appliance) Host() module.Runtime { return &runtime{a: a, g: a.generation()} }

// Declared returns what the services declared, for those who write it down: the reference, the MIB.
func (a *Appliance) Declared() *module.Declared { return a.generation().declared }

// generation returns the one that is current, or would be.
func (a *Appliance) generation() *generation {
	if g := a.first.Load(); g != nil {
		return g
	}
	return a.current.Load()
}

// device is the Appliance as its commands see it.
type device Appliance

// answerTime is what a command's answer gets before the program ends under it.
const answerTime = 100 * time.Millisecond

func (d *device) Stop(reason string) {
	time.AfterFunc(answerTime, func() { (*Appliance)(d).end(reason, false) })
}

func (d *device) Restart(reason string) {
	time.AfterFunc(answerTime, func() { (*Appliance)(d).end(reason, true) })
}

func (d *device) Reload() error { return (*Appliance)(d).Reload() }
