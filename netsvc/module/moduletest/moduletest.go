// Package moduletest runs one service in a test, on a Host that behaves: options have values, the store is a
// real one in a temporary directory, commands go through the real door. What it leaves out is the appliance:
// there are no sockets, and a reload is Again.
package moduletest

import (
	"context"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/store"
)

// Options says what the service finds. The zero value is a site "example.org" without files.
type Options struct {
	// Values are options by section and name ("xmpp.ping/interval", "c2s/listen", "/domain"), as a command
	// line would give them.
	Values map[string]string
	Site   *module.Site
	Log    *log.Logger
	// Built is when the program was made: a clock that shows less is not set. The zero time believes any clock.
	Built time.Time
	// NoStore leaves the store out, for services that have no tables.
	NoStore bool
}

// Running is a service that was set up and started. Its methods may be called by the goroutine of the test.
type Running struct {
	t        testing.TB
	opts     Options
	info     module.Info
	metrics  *metric.Set
	runtime  *runtime
	Declared *module.Declared
	Module   module.Module // of the current generation
}

// Start sets the service up, starts it and makes it current. It is stopped when the test ends.
func Start(t testing.TB, info module.Info, opts Options) *Running {
	t.Helper()
	if opts.Site == nil {
		opts.Site = &module.Site{Domains: []string{"example.org"}, Data: t.TempDir(), Version: "test"}
	}
	r := &Running{t: t, opts: opts, info: info, metrics: metric.NewSet(), runtime: &runtime{opts: &opts, live: make(map[string]any)}}
	r.runtime.metrics = r.metrics
	declared, commands := r.build()
	if !opts.NoStore {
		db, err := store.Open(store.Options{Dir: opts.Site.Data, Tables: declared.Tables(), Built: opts.Built, Log: opts.Log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		r.runtime.store = db
	}
	r.use(declared, commands)
	if m, ok := r.Module.(module.Starter); ok {
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.turn()
	t.Cleanup(func() {
		if m, ok := r.Module.(module.Stopper); ok {
			ctx, cancel := context.WithTimeout(context.Background(), stopTime)
			defer cancel()
			if err := m.Stop(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

// stopTime is long for a busy machine; a module that a failed test left in disorder need not come to an end.
const stopTime = 30 * time.Second

// Again is a reload: a new instance with these options takes over; live state stays.
func (r *Running) Again(values map[string]string) {
	r.t.Helper()
	r.opts.Values = values
	r.use(r.build())
	r.turn()
}

// Run runs a command as an administrator on this machine.
func (r *Running) Run(name string, args command.Values) (*command.Result, error) {
	caller := command.Caller{Name: "test", Role: command.Admin, Via: "test", Local: true}
	return r.runtime.Commands().Run(r.t.Context(), caller, name, args)
}

// Metric returns the value of a counter or gauge without labels; it fails the test if there is none.
func (r *Running) Metric(name string) int64 {
	r.t.Helper()
	value, found := int64(0), false
	r.metrics.Walk(func(s metric.Sample) bool {
		if s.Desc.Name == name && len(s.Labels) == 0 {
			value, found = s.Value, true
		}
		return !found
	})
	if !found {
		r.t.Fatalf("there is no metric %s", name)
	}
	return value
}

// Walk shows the metrics, those of these names if there are any.
func (r *Running) Walk(emit func(metric.Sample) bool, names ...string) {
	r.metrics.Walk(emit, names...)
}

// Listener returns the declared listener of that name; it fails the test if there is none.
func (r *Running) Listener(name string) *module.Listener {
	r.t.Helper()
	for _, l := range r.Declared.Services[0].Listeners {
		if l.Name == name {
			return l
		}
	}
	r.t.Fatalf("there is no listener %s", name)
	return nil
}

// Press makes memory scarce, or enough again.
func (r *Running) Press(p module.Pressure) {
	r.runtime.mu.Lock()
	r.runtime.pressure = p
	r.runtime.mu.Unlock()
	if m, ok := r.Module.(module.Presser); ok {
		m.Pressure(p)
	}
}

func (r *Running) build() (*module.Declared, *command.Set) {
	r.t.Helper()
	generation := r.metrics.NewGeneration()
	commands := command.NewSet(r.opts.Log, generation.Section("command"))
	declared, err := module.Declare([]module.Info{r.info}, config.NewSchema(), generation, r.runtime)
	if err != nil {
		r.t.Fatal(err)
	}
	for name, text := range r.opts.Values {
		if err := assign(declared.Schema, name, text); err != nil {
			r.t.Fatalf("%s: %v", name, err)
		}
	}
	for _, p := range declared.Schema.Validate() {
		r.t.Fatal(p)
	}
	for _, c := range declared.Services[0].Commands {
		commands.Add(c)
	}
	if err := commands.Err(); err != nil {
		r.t.Fatal(err)
	}
	return declared, commands
}

func (r *Running) use(declared *module.Declared, commands *command.Set) {
	r.Declared, r.Module = declared, declared.Services[0].Module
	r.runtime.mu.Lock()
	defer r.runtime.mu.Unlock()
	r.runtime.commands = commands
}

// turn makes the generation current.
func (r *Running) turn() {
	r.metrics.Use(r.Declared.Metrics)
	if m, ok := r.Module.(module.Switcher); ok {
		m.Switch()
	}
}

// runtime is the Runtime of the test.
type runtime struct {
	opts     *Options
	store    *store.Store
	metrics  *metric.Set
	mu       sync.Mutex
	live     map[string]any
	commands *command.Set
	pressure module.Pressure
}

func (r *runtime) Live(key string, make func() any) any {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.live[key]; !ok {
		r.live[key] = make()
	}
	return r.live[key]
}

func (r *runtime) Log() *log.Logger      { return r.opts.Log }
func (r *runtime) Store() *store.Store   { return r.store }
func (r *runtime) Site() *module.Site    { return r.opts.Site }
func (r *runtime) Device() module.Device { return device{} }

func (r *runtime) ReadMetrics(emit func(metric.Sample) bool, names ...string) {
	r.metrics.Walk(emit, names...)
}

func (r *runtime) Commands() *command.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commands
}

func (r *runtime) Pressure() module.Pressure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pressure
}

// device cannot be stopped: a test that needs more brings the appliance.
type device struct{}

func (device) Stop(string)    {}
func (device) Restart(string) {}
func (device) Reload() error  { return nil }
