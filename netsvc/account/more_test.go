package account

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/storetest"
)

func TestActivityIsWrittenTogether(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := New()
		s := storetest.OpenWith(t, store.Options{Dir: dir, Tables: a.Tables()})
		use(t, a, s)
		jul, rom := create(t, a, "juliet@example.org"), create(t, a, "romeo@example.org")
		start := time.Now()
		commits := func() uint64 { return s.Stats().Main.Commits }
		before := commits()
		for range 50 {
			a.LoggedIn(jul.ID)
			a.LoggedIn(rom.ID)
			time.Sleep(time.Second)
			a.LoggedOut(jul.ID, "bye")
		}
		synctest.Wait()
		if n := commits() - before; n != 0 {
			t.Errorf("%d commits at once", n)
		}
		x, err := a.Activity(jul.ID)
		if err != nil || x.Status != "bye" || x.Login.Sub(start) != 49*time.Second || x.Logout.Sub(start) != 50*time.Second {
			t.Errorf("%+v, %v", x, err)
		}
		if err := a.Delete(t.Context(), rom.JID); err != nil {
			t.Fatal(err)
		}
		before = commits()
		time.Sleep(DefaultFlush)
		synctest.Wait()
		if n := commits() - before; n < 1 || n > 2 {
			t.Errorf("%d commits", n)
		}
		again, err := a.Activity(jul.ID)
		if err != nil || again.Status != "bye" || again.Login.Unix() != x.Login.Unix() {
			t.Errorf("%+v, %v", again, err)
		}
		a.LoggedIn(jul.ID)
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		final, err := a.readActivity(jul.ID)
		if err != nil || final.Login.Before(again.Login) || final.Status != "bye" {
			t.Errorf("at the end: %+v, %v", final, err)
		}
	})
}

func TestInvitations(t *testing.T) {
	a := open(t)
	ctx := t.Context()
	host := "example.org"
	token, err := a.Invite(ctx, Invitation{Host: host, By: juliet, Note: "aunt", Uses: 2, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	own, err := a.Invite(ctx, Invitation{Host: host, Local: "Nurse"})
	if err != nil {
		t.Fatal(err)
	}
	old, err := a.Invite(ctx, Invitation{Host: host, Expires: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Invite(ctx, Invitation{Host: "example.com"}); !errors.Is(err, ErrHost) {
		t.Errorf("foreign domain: %v", err)
	}
	list, err := a.Invitations(host, 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if i, err := a.Invited(host, token); err != nil || i.Note != "aunt" || i.By != juliet || i.Uses != 2 {
		t.Errorf("%+v, %v", i, err)
	}
	for _, c := range []struct {
		name, who, token string
		want             error
	}{
		{"other domain", "a@example.net", token, ErrInvitation},
		{"expired", "a@example.org", old, ErrInvitation},
		{"first use", "a@example.org", token, nil},
		{"taken name uses nothing", "a@example.org", token, ErrExists},
		{"upper case", "b@example.org", "  " + token, ErrInvitation},
		{"second use", "b@example.org", token, nil},
		{"used up", "c@example.org", token, ErrInvitation},
		{"reserved for another name", "c@example.org", own, ErrInvitation},
		{"reserved", "nurse@example.org", own, nil},
	} {
		_, err := a.Create(ctx, NewAccount{JID: jid.MustParse(c.who), Invitation: c.token})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if list, err := a.Invitations(host, 10); err != nil || len(list) != 0 {
		t.Errorf("left: %+v, %v", list, err)
	}
}

func TestInvitationIsRedeemedOnce(t *testing.T) {
	a := open(t)
	token, err := a.Invite(t.Context(), Invitation{Host: "example.org"})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	made := make(chan jid.JID, 8)
	for i := range 8 {
		wg.Go(func() {
			user, err := a.Create(t.Context(), NewAccount{JID: name(i), Invitation: token})
			if err == nil {
				made <- user.JID
			} else if !errors.Is(err, ErrInvitation) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 || a.Count() != 1 {
		t.Errorf("%d accounts, count %d", len(made), a.Count())
	}
}

func TestRevoke(t *testing.T) {
	a := open(t)
	token, err := a.Invite(t.Context(), Invitation{Host: "example.org"})
	if err != nil {
		t.Fatal(err)
	}
	i, err := a.Invited("example.org", token)
	if err != nil || i.Key == "" || i.Key == token {
		t.Fatalf("%+v, %v", i, err)
	}
	if err := a.Revoke(t.Context(), "example.org", i.Key); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{i.Key, "junk!", ""} {
		if err := a.Revoke(t.Context(), "example.org", key); !errors.Is(err, ErrInvitation) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if _, err := a.Invited("example.org", token); !errors.Is(err, ErrInvitation) {
		t.Errorf("revoked: %v", err)
	}
}

func TestService(t *testing.T) {
	var info module.Info
	for _, i := range module.All() {
		if i.Name == "account" {
			info = i
		}
	}
	r := moduletest.Start(t, info, moduletest.Options{
		Site: &module.Site{Domains: []string{"example.org"}, Admins: []string{"Root@example.org"}, Data: t.TempDir()},
	})
	p := r.Module.(*service)
	a := p.accounts
	create(t, a, "juliet@example.org")
	if n := r.Metric("accounts"); n != 1 {
		t.Errorf("%d accounts", n)
	}
	if role, _ := a.RoleOf(jid.MustParse("root@example.org")); role != Admin {
		t.Errorf("role %v", role)
	}
	p.guard.Failed(home, juliet)
	r.Again(map[string]string{"account/iterations": "20000", "account/pair_failures": "1"})
	if a.Iterations() != 20000 {
		t.Errorf("%d iterations after the reload", a.Iterations())
	}
	if v := GuardOf(r.Module.(*service).host).Ask(home, juliet); !v.Refuse {
		t.Error("the guard forgot, or has the old limits")
	}
	if n := r.Metric("authFailures"); n != 1 {
		t.Errorf("%d failures", n)
	}
	if err := a.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
