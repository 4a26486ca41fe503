package server

import (
	"testing"

	users "linnet/netsvc/account"
	"linnet/netsvc/flow"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
)

// void is an Outlet that takes everything.
type void struct{ sink }

func (*void) Add(it flow.Item) bool { return true }

// BenchmarkMessage is one chat message from a session to another's full address, without edges.
func BenchmarkMessage(b *testing.B) {
	m := &both{}
	info := module.Info{Name: "node", New: func() module.Module { return m }}
	moduletest.Start(b, info, moduletest.Options{Site: &module.Site{Domains: []string{"montague.lit"}, Data: b.TempDir()}})
	srv := m.parts[1].(*service).g.Server
	login := func(name string) (*Session, uint32) {
		u, err := srv.accounts.Create(b.Context(), users.NewAccount{JID: jid.MustParse(name + "@montague.lit")})
		if err != nil {
			b.Fatal(err)
		}
		ss, err := srv.Bind(u, "b")
		if err != nil {
			b.Fatal(err)
		}
		return ss, ss.Attach(Link{Out: new(void)})
	}
	romeo, epoch := login("romeo")
	juliet, _ := login("juliet")
	st := stanza.NewMessage(stanza.Chat, "1", romeo.JID(), juliet.JID(), []byte("<body>Wherefore art thou?</body>"))
	b.ReportAllocs()
	for b.Loop() {
		romeo.Receive(epoch, st, nil)
	}
}
