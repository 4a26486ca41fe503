package quota

import (
	"context"
	"strings"
	"testing"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/wire/jid"
)

// device is the service with the accounts that it needs.
type device struct{ service }

func (d *device) Setup(h module.Host) error {
	for _, t := range account.Of(h).Tables() {
		h.Table(t)
	}
	return d.service.Setup(h)
}

func (d *device) Start(ctx context.Context) error {
	h := d.service.host
	if err := account.Of(h).Open(ctx, h.Store(), h.Log(), h.Site().Domains, account.Options{}); err != nil {
		return err
	}
	for _, name := range []string{"romeo@montague.lit", "juliet@capulet.lit"} {
		if ok, _ := account.Of(h).Exists(jid.MustParse(name)); ok {
			continue
		}
		if _, err := account.Of(h).Create(ctx, account.NewAccount{JID: jid.MustParse(name)}); err != nil {
			return err
		}
	}
	return d.service.Start(ctx)
}

func (d *device) Stop(ctx context.Context) error {
	err := d.service.Stop(ctx)
	account.Of(d.service.host).Close(ctx)
	return err
}

func start(t *testing.T, values map[string]string) (*moduletest.Running, *Ledger) {
	t.Helper()
	info := module.Info{Name: "quota", New: func() module.Module { return new(device) }}
	r := moduletest.Start(t, info, moduletest.Options{Values: values,
		Site: &module.Site{Domains: []string{"montague.lit", "capulet.lit"}, Data: t.TempDir(), Version: "test"}})
	return r, r.Module.(*device).ledger
}

func run(t *testing.T, r *moduletest.Running, name string, args ...string) string {
	t.Helper()
	v := command.Values{}
	for i := 0; i < len(args); i += 2 {
		v[args[i]] = []string{args[i+1]}
	}
	result, err := r.Run(name, v)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(result.AppendTable(nil, "", ""))
}

func TestShowAndSet(t *testing.T) {
	r, l := start(t, map[string]string{"quota/user": "3MB", "quota/domain": "1GB", "quota/name": "node1"})
	a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
	drain(a, Forward, 2000)
	a.Close("done")
	settled(l)
	for _, tt := range []struct {
		command string
		args    []string
		want    []string
	}{
		{"quota show", nil, []string{"box", "node1", "all", "montague.lit", "capulet.lit", "2.0 KB", "1GB"}},
		{"quota show", []string{"who", "romeo@montague.lit"}, []string{"user", "romeo@montague.lit", "2.0 KB", "3MB"}},
		{"quota set", []string{"who", "romeo@montague.lit", "limit", "user", "value", "unlimited"}, nil},
		{"quota show", []string{"who", "romeo@montague.lit"}, []string{"unlimited", "set for user"}},
		{"quota set", []string{"who", "romeo@montague.lit", "limit", "user", "value", "inherit"}, nil},
		{"quota show", []string{"who", "romeo@montague.lit"}, []string{"3MB"}},
		{"quota set", []string{"who", "capulet.lit", "limit", "domain", "value", "deny"}, nil},
		{"quota show", []string{"who", "capulet.lit", "month", "1999-12"}, []string{"deny", "1999-12"}},
		{"quota set", []string{"who", "romeo@montague.lit", "limit", "domain", "value", "1GB"}, []string{"error: limit"}},
		{"quota set", []string{"who", "romeo@montague.lit", "limit", "user", "value", "much"}, []string{"error: value"}},
		{"quota set", []string{"who", "ghost@montague.lit", "limit", "user", "value", "1GB"}, []string{"error: there is no user"}},
		{"quota set", []string{"who", "elsewhere.lit", "limit", "user", "value", "1GB"}, []string{"error: elsewhere.lit is not served"}},
		{"quota show", []string{"month", "soon"}, []string{"error: month"}},
		{"quota set", []string{"who", "capulet.lit", "limit", "rate", "value", "1MB"}, nil},
		{"quota set", []string{"who", "romeo@montague.lit", "limit", "rate", "value", "deny"}, []string{"error: value"}},
		{"quota show", []string{"who", "capulet.lit"}, []string{"set for rate    1MB"}},
		{"quota list", nil, []string{"romeo@montague.lit", "juliet@capulet.lit"}},
		{"quota list", []string{"month", "1999-12"}, []string{"USER"}},
		{"credit show", []string{"who", "romeo@montague.lit"}, []string{"error: romeo@montague.lit has no credit"}},
		{"credit topup", []string{"who", "romeo@montague.lit", "bytes", "5GB"}, []string{"5.0 GB"}},
		{"credit topup", []string{"who", "capulet.lit", "bytes", "1GB"}, []string{"1.0 GB"}},
		{"credit topup", []string{"who", "romeo@montague.lit", "bytes", "-6GB"}, []string{"error: the balance"}},
		{"credit show", nil, []string{"capulet.lit", "1.0 GB", "romeo@montague.lit", "5.0 GB"}},
		{"ledger export", nil, []string{"begin,end,month,", ",test,node1,romeo@montague.lit/a,montague.lit,romeo@montague.lit/a,juliet@capulet.lit/b,2000,0,0,done"}},
		{"ledger export", []string{"format", "json", "who", "capulet.lit"}, []string{`"service":"test"`, `"to":"juliet@capulet.lit/b","out":2000,"in":0,"credit":0,"reason":"done"}`}},
	} {
		got := run(t, r, tt.command, tt.args...)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s %v:\n%s\nhas no %q", tt.command, tt.args, got, want)
			}
		}
		if tt.want == nil && got != "" {
			t.Errorf("%s %v: %s", tt.command, tt.args, got)
		}
	}
	if got := run(t, r, "ledger export", "who", "elsewhere.lit"); strings.Count(got, "\n") != 1 {
		t.Errorf("export of somebody else:\n%s", got)
	}
}

// An export is shown page by page, every entry once.
func TestExportPages(t *testing.T) {
	r, l := start(t, nil)
	const flows = 2*exportPage + 7
	for range flows {
		a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
		drain(a, Forward, 1)
		a.Close("done")
	}
	settled(l)
	if got := strings.Count(run(t, r, "ledger export"), "\n"); got != flows+1 {
		t.Errorf("%d lines, want %d", got, flows+1)
	}
}

func TestOptions(t *testing.T) {
	r, l := start(t, map[string]string{"quota/groups": "verona: montague.lit capulet.lit", "quota/file": "1MB"})
	if got := run(t, r, "quota show", "who", "verona"); !strings.Contains(got, "verona") {
		t.Error(got)
	}
	if got := run(t, r, "quota set", "who", "capulet.lit", "limit", "domain", "value", "1GB"); !strings.Contains(got, "billed in the group verona") {
		t.Error(got)
	}
	if l.options.Load().File != 1<<20 {
		t.Error("the limit for a file is not in force")
	}
	r.Again(map[string]string{"quota/file": "deny"})
	if _, err := l.Open(t.Context(), flow("romeo@montague.lit/a", "juliet@capulet.lit/b")); err == nil {
		t.Error("a reload has not changed the limit")
	}
	if r.Metric("quotaFlows") != 0 || r.Metric("quotaLeased") != 0 {
		t.Error("a refused flow counts")
	}
	for _, bad := range []service{
		{limits: [scopes]string{File: "much"}},
		{groups: []string{"verona"}},
		{groups: []string{"verona: not@domain"}},
		{groups: []string{"a: x.lit", "b: x.lit"}},
	} {
		for s, v := range bad.limits {
			if v == "" {
				bad.limits[s] = "unlimited"
			}
		}
		if bad.check() == nil {
			t.Errorf("%v %v was taken", bad.limits, bad.groups)
		}
	}
}

func TestCSV(t *testing.T) {
	e := Entry{Service: "a,b", Box: `q"uote`, From: jid.MustParse("=1,2@montague.lit"), Reason: "=1+1", Month: 2026*12 + 10}
	got := string(e.AppendCSV(nil))
	if want := `,,2026-11,"a,b","q""uote",,,"'=1,2@montague.lit",,0,0,0,"'=1+1"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
