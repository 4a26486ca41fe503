package module_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/store"
	"linnet/store/table"
)

// tally is a service as others are: options, a metric, a command, a table, a listener, live state.
type tally struct {
	host  module.Host
	step  int
	addrs []string
	pause time.Duration
	table *table.Table
	seen  *metric.Counter
	live  *liveTally
}

// liveTally outlives generations.
type liveTally struct {
	events  []string
	current *tally
}

func newTally() module.Module { return new(tally) }

func (m *tally) Setup(h module.Host) error {
	m.host = h
	m.live = module.Live(h, "tally", func() *liveTally { return new(liveTally) })
	h.Options().Int(&m.step, "step", 1, "how far one step goes").Range(1, 10)
	h.Sub("pause").Options().Duration(&m.pause, "length", time.Second, "how long a pause is")
	h.Section("door").Addrs(&m.addrs, "listen", []string{"127.0.0.1:0"}, "where the door is")
	m.seen = h.Metrics().Counter(metric.Desc{Name: "tallySteps", Help: "Steps."})
	m.table = table.New("tally", table.None)
	h.Table(m.table)
	h.Listen(&module.Listener{Name: "door", Addrs: &m.addrs, Security: module.Plain, Serve: func(c net.Conn) { c.Close() }})
	h.Command(command.Command{Name: "tally step", Effect: command.Change, Role: command.Admin, Help: "Step.", Run: m.run})
	return nil
}

func (m *tally) run(ctx context.Context, _ *command.Call) (*command.Result, error) {
	m.seen.Add(uint64(m.step))
	var b store.Batch
	b.Put(m.table, []byte("n"), []byte{byte(m.seen.Value())})
	if err := m.host.Store().Apply(ctx, &b); err != nil {
		return nil, err
	}
	return (&command.Result{}).SetInt("n", "", int64(m.seen.Value())), nil
}

func (m *tally) Start(context.Context) error {
	if m.host.Store() == nil || m.host.Site() == nil {
		return errors.New("started without store or site")
	}
	m.live.events = append(m.live.events, "start")
	return nil
}

func (m *tally) Switch() {
	m.live.events = append(m.live.events, "switch")
	m.live.current = m
}

func (m *tally) Stop(context.Context) error {
	m.live.events = append(m.live.events, "stop")
	return nil
}

func (m *tally) Pressure(p module.Pressure) { m.live.events = append(m.live.events, p.String()) }

var info = module.Info{Name: "tally", Summary: "Counts.", Specs: []string{"RFC 1 1.0"}, New: newTally}

func TestRecord(t *testing.T) {
	d, err := module.Record([]module.Info{info})
	if err != nil {
		t.Fatal(err)
	}
	s := d.Services[0]
	switch {
	case len(s.Commands) != 1 || len(s.Tables) != 1 || len(s.Listeners) != 1:
		t.Errorf("recorded %+v", s)
	case d.Schema.Find("tally").Summary() != "Counts." || d.Schema.Find("tally.pause").Option("length") == nil || d.Schema.Find("door").Option("listen") == nil:
		t.Error("options are missing")
	case len(d.Metrics.Descs()) != 1 || len(d.Tables()) != 1:
		t.Error("metrics or tables are missing")
	case s.Module.(*tally).host.Store() != nil || s.Module.(*tally).host.Site() != nil:
		t.Error("a recording host has a store or a site")
	}
	if d, err = module.Record([]module.Info{info, {Name: "again", New: newTally}}); err == nil {
		t.Error("a metric and an option declared by two services are no mistake")
	} else if len(d.Tables()) != 1 {
		t.Error("a table of two services counts twice")
	}
}

func TestRecordMistakes(t *testing.T) {
	none := []string{}
	serve := func(net.Conn) {}
	for _, tc := range []struct {
		name  string
		setup func(module.Host) error
		want  string
	}{
		{"setup fails", func(module.Host) error { return errors.New("no") }, "bad: no"},
		{"option", func(h module.Host) error { var s string; h.Options().String(&s, "X", "", "h"); return nil }, "option"},
		{"metric", func(h module.Host) error { h.Metrics().Counter(metric.Desc{Name: "X", Help: "h"}); return nil }, "metric"},
		{"listener without security", func(h module.Host) error {
			h.Listen(&module.Listener{Name: "a", Addrs: &none, Serve: serve})
			return nil
		}, `listener "a"`},
		{"listener twice", func(h module.Host) error {
			h.Listen(&module.Listener{Name: "a", Addrs: &none, Security: module.TLS, Serve: serve})
			h.Listen(&module.Listener{Name: "a", Addrs: &none, Security: module.TLS, Serve: serve})
			return nil
		}, `listener "a"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := module.Record([]module.Info{{Name: "bad", New: func() module.Module { return setup(tc.setup) }}})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want something about %q", err, tc.want)
			}
		})
	}
}

type setup func(module.Host) error

func (s setup) Setup(h module.Host) error { return s(h) }

// The way of a service through a start, a reload and the end, on the Host that tests of services use.
func TestLife(t *testing.T) {
	var live *liveTally
	t.Run("life", func(t *testing.T) {
		r := moduletest.Start(t, info, moduletest.Options{Values: map[string]string{"tally/step": "2", "tally.pause/length": "5s"}})
		m := r.Module.(*tally)
		live = m.live
		if m.step != 2 || m.pause != 5*time.Second || live.current != m {
			t.Errorf("started with %d, %v", m.step, m.pause)
		}
		if _, err := r.Run("tally step", nil); err != nil {
			t.Fatal(err)
		}
		r.Again(map[string]string{"tally/step": "3"})
		if again := r.Module.(*tally); again == m || again.live != live || live.current != again || again.pause != time.Second {
			t.Error("a reload does not make a new instance on the old state")
		}
		res, err := r.Run("tally step", nil)
		if err != nil || string(res.AppendJSON(nil)) != `{"n":5}` || r.Metric("tallySteps") != 5 {
			t.Errorf("after the reload: %s, %v", res.AppendJSON(nil), err)
		}
		if r.Listener("door").Security != module.Plain {
			t.Error("listener")
		}
		r.Press(module.Red)
		if m.host.Pressure() != module.Red {
			t.Error("the host does not say what was told")
		}
	})
	if want := []string{"start", "switch", "switch", "red", "stop"}; !slices.Equal(live.events, want) {
		t.Errorf("events %v, want %v", live.events, want)
	}
}

func TestRegister(t *testing.T) {
	panics := func(f func()) (did bool) {
		defer func() { did = recover() != nil }()
		f()
		return false
	}
	module.Register(module.Info{Name: "zz-test", New: newTally})
	module.Register(module.Info{Name: "aa-test", New: newTally})
	if !panics(func() { module.Register(module.Info{Name: "aa-test", New: newTally}) }) {
		t.Error("a second one of the same name does not panic")
	}
	if !panics(func() { module.Register(module.Info{Name: "x"}) }) {
		t.Error("one without factory does not panic")
	}
	all := module.All()
	if len(all) != 2 || all[0].Name != "aa-test" || all[1].Name != "zz-test" {
		t.Errorf("All() = %+v", all)
	}
}
