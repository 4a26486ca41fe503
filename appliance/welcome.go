package appliance

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"linnet/appliance/firstboot"
	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/stamp"
)

// newWelcome gathers what a start has to say, and makes the first administrator where there is none.
func (a *Appliance) newWelcome(ctx context.Context, g *generation) (firstboot.Welcome, error) {
	b := g.base
	w := firstboot.Welcome{Version: a.opts.Version, Domains: g.site.Domains, Data: b.data, Ctl: shellWord(a.opts.Program) + " ctl"}
	if b.data != DefaultData() {
		w.Ctl += " -data " + shellWord(b.data)
	}
	for _, bound := range a.sockets.bound(g) {
		name := bound.Name
		if name != bound.Service {
			name = bound.Service + " " + name
		}
		w.Addresses = append(w.Addresses, firstboot.Address{Name: name, Addr: bound.Addr.String(), Security: string(bound.Security)})
	}
	if note := a.clockNote(); note != "" {
		w.Warnings = append(w.Warnings, "the clock "+note)
		a.log.Warn("the clock " + note)
	}
	if g.has("cert") {
		set := cert.Of(b.host).Current()
		w.Warnings = append(w.Warnings, set.Warnings()...)
		if authority := set.Authority(); authority != nil {
			w.Fingerprint, w.Authority = authority.Fingerprint(), filepath.Join(b.data, cert.AuthorityFile)
		}
	}
	if g.has("account") {
		admin, err := firstboot.FirstAdmin(ctx, a.store, b.siteTable, account.Of(b.host), g.site.Admins)
		if err != nil {
			return w, err
		}
		if !admin.JID.IsZero() {
			w.Admin, w.Password = admin.JID.String(), admin.Password
		}
	}
	w.Message = a.firstMessage(g, &w)
	return w, nil
}

// clockNote says what is the matter with the clock of the machine, "" when it is set.
func (a *Appliance) clockNote() string {
	if stamp.IsSet(time.Now(), a.opts.Built) {
		return ""
	}
	return "is not set, it is before " + a.opts.Built.UTC().Format(time.DateOnly) +
		" when this program was built: until it is, nothing expires, and clients get no credentials for calls"
}

// firstMessage is a command that sends a message from the first administrator to himself with go-sendxmpp,
// which distributions have: nil when there is nobody to send it or no address for clients.
func (a *Appliance) firstMessage(g *generation, w *firstboot.Welcome) []string {
	bound := a.sockets.bound(g)
	at := slices.IndexFunc(bound, func(b Bound) bool { return b.Service == "c2s" && b.Security != module.Plain })
	if w.Admin == "" || at < 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("echo hello | ")
	if w.Authority != "" {
		b.WriteString("SSL_CERT_FILE=" + shellWord(w.Authority) + " ")
	}
	password := "PASSWORD"
	if w.Password != "" {
		password = shellWord(w.Password)
	}
	b.WriteString("go-sendxmpp -u " + shellWord(w.Admin) + " -p " + password + " -j " + shellWord(reachable(bound[at].Addr)))
	if bound[at].Security == module.TLS {
		b.WriteString(" -t")
	}
	b.WriteString(" " + shellWord(w.Admin))
	return []string{b.String()}
}

// reachable makes an address to connect to of one that is listened on.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return net.JoinHostPort("localhost", port)
}

func (a *Appliance) greet() {
	if a.opts.Out != nil {
		_, _ = io.WriteString(a.opts.Out, a.welcome.String())
	}
	a.welcome.Password, a.welcome.Message = "", nil // it was shown; nobody keeps it
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
