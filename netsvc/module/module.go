package module

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"

	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/store"
	"linnet/store/table"
)

// Module is one instance of a service, in one generation.
type Module interface {
	// Setup declares. It does no I/O, starts no goroutine and reads no clock. Variables bound to options
	// have their defaults until Setup has returned, and their values from Start and Switch on.
	Setup(Host) error
}

// Starter is a Module that acts when the service begins to run. Its options have their values and the
// store is open. An error keeps the program from starting, or a reload from happening.
type Starter interface {
	Start(context.Context) error
}

// Switcher is a Module that must know when its generation has become the current one. Switch may not
// block or fail: it publishes what the instance has, such as an atomic pointer to its hook table in Live
// state.
type Switcher interface {
	Switch()
}

// Stopper is a Module that undoes what Start did. When ctx ends, the program ends anyway. Its listeners
// are closed before; its connections are its own to close.
type Stopper interface {
	Stop(context.Context) error
}

// Optional is a Module that may be switched off by its options. Enabled is asked once, when they have their
// values: a service that says false is not started and its listeners and commands do not exist. A reload
// that changes the answer starts or stops it.
type Optional interface {
	Enabled() bool
}

// Presser is a Module that acts when memory becomes scarce or is enough again, such as by halving its
// buffers. It is called on the current instance by one goroutine at a time, after Switch when memory is scarce
// already, and may not block.
type Presser interface {
	Pressure(Pressure)
}

// Pressure says how scarce memory is.
type Pressure uint8

const (
	Green  Pressure = iota // enough
	Yellow                 // buckets and outboxes are halved
	Red                    // new connections are refused with resource-constraint; the admin's door stays open
)

func (p Pressure) String() string { return [...]string{"green", "yellow", "red"}[p] }

// Site is what is known about this node as a whole, from Start on. Not to be changed.
type Site struct {
	Domains []string // the first is the main one
	Admins  []string // bare addresses that have the role admin by configuration
	Data    string   // the directory that everything persistent is in
	Version string   // of the program
}

// Runtime is the part of a Host that is there before and after Setup; see Host for its methods.
type Runtime interface {
	Live(name string, make func() any) any
	Log() *log.Logger
	Store() *store.Store
	Site() *Site
	Commands() *command.Set
	ReadMetrics(emit func(metric.Sample) bool, names ...string)
	Pressure() Pressure
	Device() Device
}

// Host is what one service sees of the appliance. Unless a method says otherwise, it is for Setup only and
// for its goroutine.
type Host interface {
	// Name returns the name the service was registered under, or that of Sub.
	Name() string
	// Sub returns the Host of a part of this service, named "service.part": its options stand in the
	// section of that name, its log and metrics carry it.
	Sub(part string) Host

	// Options returns the section named like the service; Section any other, such as "c2s".
	Options() *config.Section
	Section(name string) *config.Section
	// Metrics returns the section to declare metrics in.
	Metrics() *metric.Section
	// Command declares a command.
	Command(command.Command)
	// Table declares a table of the store. The tables of the program are those of all services.
	Table(*table.Table)
	// Listen declares listening addresses. The appliance opens them after Start, keeps them over a reload,
	// and closes them before Stop.
	Listen(*Listener)
	// Live returns the state of that name, which outlives this generation: made once, by the first that
	// asks, and handed on afterwards. Names are those of the whole node, so one service can offer its state
	// to others: by convention "service" or "service/part". make may not ask for other Live state. At any time.
	Live(name string, make func() any) any

	// Log returns the logger with the name of the service. At any time.
	Log() *log.Logger
	// Store returns the store; nil until Start, and in a Recorder. At any time after that.
	Store() *store.Store
	// Site returns what is known about the node; nil until Start. At any time after that.
	Site() *Site
	// Commands returns the commands of this generation, complete from Start on. At any time after that.
	Commands() *command.Set
	// ReadMetrics shows the metrics of the whole program, or those of these names; see metric.Set.Walk. At any
	// time after Start.
	ReadMetrics(emit func(metric.Sample) bool, names ...string)
	// Pressure says how scarce memory is. At any time, from anywhere: it is one atomic load.
	Pressure() Pressure
	// Device returns what a command of the appliance can do to the program. At any time after Start.
	Device() Device
}

// Device is the appliance as its own commands see it. The methods return at once; what they ask for happens
// after the command's answer had time to leave.
type Device interface {
	Stop(reason string)    // ends the program, gracefully
	Restart(reason string) // ends it and begins it anew
	Reload() error         // reads the configuration again; waits until it is in force or refused
}

// Live is Host.Live with the type of what is kept. It panics when the state of that name has another type,
// which is a mistake of the program.
func Live[T any](h Host, name string, make func() T) T {
	return h.Live(name, func() any { return make() }).(T)
}

// Security says how connections of a Listener are protected, for the list of addresses that the operator
// sees.
type Security string

const (
	Plain    Security = "plain"    // not at all
	STARTTLS Security = "starttls" // after asking for it
	TLS      Security = "tls"      // from the first byte
)

// Listener declares addresses to listen on: of streams (TCP) with Serve, of datagrams (UDP) with Packets.
type Listener struct {
	Name     string    // unique within the service: "c2s"
	Addrs    *[]string // bound to an option: "host:port"; an empty list listens nowhere
	Security Security

	// Serve has the connection to itself, on a goroutine of its own, and closes it. A panic in it ends
	// that connection only. It is the one of the generation that is current when the connection comes in.
	Serve func(net.Conn)

	// Packets has the socket to itself, on a goroutine of its own, until it is closed by the appliance, and
	// returns then. It is the one of the generation that is current when the socket begins to be used, and goes on
	// over reloads: what changes with them belongs into Live state. After a panic it is called again.
	Packets func(*net.UDPConn)
}

// Info describes a service to the registry.
type Info struct {
	Name    string   // "xmpp"; unique
	Summary string   // one sentence
	Specs   []string // "XEP-0199 2.0.1"
	New     func() Module
}

var registry struct {
	sync.Mutex
	infos []Info
}

// Register adds a service to those the program is made of; it is called from init. A second one of the same
// name panics.
func Register(info Info) {
	registry.Lock()
	defer registry.Unlock()
	if info.Name == "" || info.New == nil {
		panic("module: registered without name or factory")
	}
	at, found := slices.BinarySearchFunc(registry.infos, info.Name, func(i Info, name string) int { return strings.Compare(i.Name, name) })
	if found {
		panic("module: " + info.Name + " is registered twice")
	}
	registry.infos = append(registry.infos, info) // by hand: slices.Insert is 1.4 KB of code for each type
	copy(registry.infos[at+1:], registry.infos[at:])
	registry.infos[at] = info
}

// All lists what was registered, by name. The order in which services start is the appliance's.
func All() []Info {
	registry.Lock()
	defer registry.Unlock()
	return slices.Clone(registry.infos)
}
