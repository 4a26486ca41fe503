package appliance

import (
	"context"
	"io"
	"strings"

	"linnet/appliance/firstboot"
)

// newWelcome gathers what a start has to say.
func (a *Appliance) newWelcome(g *generation) firstboot.Welcome {
	w := firstboot.Welcome{
		Version: a.opts.Version, Domains: g.site.Domains, Data: g.base.data, Ctl: a.opts.Program + " ctl",
	}
	if g.base.data != DefaultData() {
		w.Ctl += " -data " + shellWord(g.base.data)
	}
	for _, b := range a.sockets.bound(g) {
		w.Addresses = append(w.Addresses, firstboot.Address{Name: b.Name, Addr: b.Addr.String(), Security: string(b.Security)})
	}
	return w
}

// firstAdmin makes the first administrator where there is none.
func (a *Appliance) firstAdmin(context.Context, *generation) error { return nil }

func (a *Appliance) greet() {
	if a.opts.Out != nil {
		_, _ = io.WriteString(a.opts.Out, a.welcome.String())
	}
	a.log.Info("started", "version", a.opts.Version, "domain", strings.Join(a.welcome.Domains, ","))
}

// shellWord quotes a word for a shell where it needs it.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
