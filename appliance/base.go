package appliance

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"linnet/appliance/firstboot"
	"linnet/appliance/journal"
	"linnet/netsvc/config"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/table"
)

const baseName = "appliance"

// leastMemory is under what no limit makes sense: a number without its unit is taken for bytes.
const leastMemory = 4 << 20

// base is the appliance as one of its services: the options at the top of the file, those of the log, the
// memory and the store, and the commands about the program itself.
type base struct {
	a    *Appliance
	g    *generation
	host module.Host

	domain   string
	domains  []string
	admins   []string
	data     string
	services []string
	level    string
	memory   int64

	commitEvery   time.Duration
	snapshotEvery time.Duration
	snapshotKeep  int
	maxSize       int64
	startEmpty    bool

	siteTable *table.Table
}

func (a *Appliance) baseInfo(g *generation) module.Info {
	return module.Info{Name: baseName, Summary: "The node itself.", New: func() module.Module {
		g.base = &base{a: a, g: g}
		return g.base
	}}
}

// Setup implements module.Module.
func (b *base) Setup(h module.Host) error {
	b.host = h
	b.siteTable = firstboot.Table()
	h.Table(b.siteTable)
	b.options(h)
	b.metrics(h.Metrics())
	b.commands(h)
	return nil
}

func (b *base) options(h module.Host) {
	top := h.Section("")
	top.String(&b.domain, "domain", "", "the domain that is served; left out, it is HOSTNAME.local as it was at the first start")
	top.Strings(&b.domains, "domains", nil, "the domains that are served, where there are several; the first is the main one")
	top.Strings(&b.admins, "admins", nil, "addresses that have the role admin beside those who were given it")
	top.String(&b.data, "data", "", "the directory of everything that is kept; left out, /var/lib/linnet for root and ~/.local/state/linnet for others").NeedsRestart()
	top.Strings(&b.services, "services", []string{"*"}, "which of the services that a node can be without run, such as [\"turn\"]; \"*\" for those that are switched on by their own options")
	top.Check(b.checkDomains)
	top.Check(b.checkAdmins)
	top.Check(b.checkServices)

	log := h.Section("log").About("The log, which goes to standard error and to a ring in memory (`linnet ctl log show`).")
	log.Enum(&b.level, "level", "info", journal.Levels, "the least level of what is logged")

	memory := h.Section("memory").About("How much memory the program keeps within.")
	memory.Bytes(&b.memory, "limit", 0, "the limit; 0 for what suits the memory of the machine")
	memory.Check(func() error {
		if b.memory > 0 && b.memory < leastMemory {
			return config.Bad("limit", "%s is less than anything needs; write it as in \"64MB\"", config.FormatBytes(b.memory))
		}
		return nil
	})

	st := h.Section("store").About("The files that everything is kept in.")
	st.Duration(&b.commitEvery, "commit_every", 0, "the least time between two commits, to spare flash; 0 commits at once").
		Between(0, 5*time.Second).NeedsRestart()
	st.Duration(&b.snapshotEvery, "snapshot_every", 24*time.Hour, "the time between two snapshots, which a damaged file is replaced from; 0 makes none").
		Between(0, 90*24*time.Hour).NeedsRestart()
	st.Int(&b.snapshotKeep, "snapshot_keep", 2, "how many snapshots are kept").Range(1, 100).NeedsRestart()
	st.Bytes(&b.maxSize, "max_size", 0, "the largest size of the file; 0 for no bound but the disk").NeedsRestart()
	st.Bool(&b.startEmpty, "start_empty", false, "start with nothing when the file is damaged and no snapshot is good, instead of not at all").NeedsRestart()
}

// runs tells whether a service runs that a node can be without.
func (b *base) runs(name string) bool {
	return slices.Contains(b.services, "*") || slices.Contains(b.services, name)
}

// checkServices holds the names of option services against the services there are.
func (b *base) checkServices() error {
	var known []string
	for _, s := range b.g.declared.Services {
		if _, ok := s.Module.(module.Optional); ok {
			known = append(known, s.Info.Name)
		}
	}
	for _, name := range b.services {
		if name == "*" || slices.Contains(known, name) {
			continue
		}
		if b.a.opts.Absent != nil {
			if feature, ok := b.a.opts.Absent(name); ok {
				return config.Bad("services", "%s is not in this build: it needs the feature %s", name, feature)
			}
		}
		return config.Bad("services", "no service that can be left off is named %q; there are %q", name, append(known, "*"))
	}
	return nil
}

// checkDomains brings the domains to their canonical form.
func (b *base) checkDomains() error {
	if b.domain != "" && len(b.domains) > 0 {
		return config.Bad("domains", "either domain or domains can be set, not both")
	}
	for i, text := range b.domains {
		d, err := domain(text)
		if err != nil {
			return config.Bad("domains", "%v", err)
		}
		if slices.Contains(b.domains[:i], d) {
			return config.Bad("domains", "%s is there twice", d)
		}
		b.domains[i] = d
	}
	if b.domain != "" {
		d, err := domain(b.domain)
		if err != nil {
			return config.Bad("domain", "%v", err)
		}
		b.domain = d
	}
	return nil
}

// checkAdmins does so with the administrators.
func (b *base) checkAdmins() error {
	for i, text := range b.admins {
		j, err := jid.Parse(text)
		if err != nil || !j.IsBare() || j.Local() == "" {
			return config.Bad("admins", "%q is not an address such as alice@example.org", text)
		}
		b.admins[i] = j.String()
	}
	return nil
}

func (b *base) allDomains() []string {
	if b.domain != "" {
		return []string{b.domain}
	}
	return slices.Clone(b.domains)
}

// Switch implements module.Switcher.
func (b *base) Switch() {
	b.a.journal.SetLevel(journal.Level(b.level))
	b.a.guard.Limit(uint64(b.memory))
}

func (a *Appliance) storeOptions(g *generation) store.Options {
	b := g.base
	return store.Options{
		Dir: b.data, Tables: g.declared.Tables(), Built: a.opts.Built, CheckCommand: a.opts.Checker,
		CommitEvery: b.commitEvery, SnapshotEvery: b.snapshotEvery, SnapshotKeep: b.snapshotKeep,
		MaxSize: b.maxSize, StartEmpty: b.startEmpty, Log: a.log.With("service", "store"),
	}
}

// metrics declares what is known about the program and its store.
func (b *base) metrics(m *metric.Section) {
	a := b.a
	panics := m.Counter(metric.Desc{Name: "connectionPanics", Help: "Connections that a mistake in the program ended."})
	if a.sockets.panics == nil { // the first generation; the later ones get the same counter
		a.sockets.panics = panics
	}
	m.CounterFunc(metric.Desc{Name: "logDropped", Help: "Lines of the log that standard error was too slow for."}, a.journal.Dropped)
	m.Info(metric.Desc{Name: "version", Help: "Version of the program."}, func() string { return a.opts.Version })
	m.GaugesFunc(metric.Desc{Name: "serviceUp", Help: "Whether a service runs: 1 or 0.", Labels: []string{"service"}}, b.up)
	m.GaugeFunc(metric.Desc{Name: "uptime", Unit: metric.Seconds, Help: "Time since the program started."},
		func() int64 { return int64(time.Since(a.began).Seconds()) })

	stats := func(read func(store.Stats) int64) func() int64 {
		return func() int64 { return read(a.store.Stats()) }
	}
	counter := func(name, unit, help string, read func(store.Stats) uint64) {
		m.CounterFunc(metric.Desc{Name: name, Unit: unit, Help: help}, func() uint64 { return read(a.store.Stats()) })
	}
	counter("storeCommits", "", "Commits of the durable file.", func(s store.Stats) uint64 { return s.Main.Commits })
	counter("storeWritten", metric.Bytes, "Bytes written to the durable file.", func(s store.Stats) uint64 { return s.Main.Written })
	counter("storeFailures", "", "Commits that failed.", func(s store.Stats) uint64 { return s.Main.Failures })
	counter("storeFaults", "", "Reads that met a damaged page.", func(s store.Stats) uint64 { return s.Faults })
	m.GaugeFunc(metric.Desc{Name: "storeSize", Unit: metric.Bytes, Help: "Size of the durable file."},
		stats(func(s store.Stats) int64 { return s.Main.Size }))
	m.GaugeFunc(metric.Desc{Name: "storeInFlight", Unit: metric.Bytes, Help: "Bytes submitted and not yet committed."},
		stats(func(s store.Stats) int64 { return s.InFlight }))
	m.GaugeFunc(metric.Desc{Name: "storeCommitsToday", Help: "Commits of the durable file since midnight UTC."},
		stats(func(s store.Stats) int64 { return int64(s.Main.Today.Commits) }))
	m.GaugeFunc(metric.Desc{Name: "storeWrittenToday", Unit: metric.Bytes, Help: "Bytes written to the durable file since midnight UTC: what wears the flash."},
		stats(func(s store.Stats) int64 { return int64(s.Main.Today.Written) }))
}

// up shows which services run.
func (b *base) up(row func(value int64, labels ...string)) {
	for _, s := range b.g.declared.Services {
		n := int64(0)
		if b.g.has(s.Info.Name) {
			n = 1
		}
		row(n, s.Info.Name)
	}
}

// DefaultData returns the directory of the data where nothing names one: /var/lib/linnet for root, a
// directory of his own for everybody else.
func DefaultData() string {
	if dir := os.Getenv("LINNET_DATA"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/linnet"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "linnet")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "linnet")
	}
	return "linnet-data"
}
