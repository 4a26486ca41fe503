package account

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

// notes stands for the tables of extensions: rows of accounts, in both files.
var (
	notes      = table.New("test.notes", table.Account)
	notesCache = table.New("test.notes.cache", table.Account, table.Cache())
	rooms      = table.New("test.rooms", table.Host)
)

func open(t testing.TB) *Accounts {
	t.Helper()
	a := New()
	s := storetest.Open(t, append(a.Tables(), notes, notesCache, rooms)...)
	use(t, a, s)
	return a
}

func use(t testing.TB, a *Accounts, s *store.Store) {
	t.Helper()
	o := Options{Iterations: sasl.MinIterations, Cache: 64, Admins: []jid.JID{jid.MustParse("root@example.org")}}
	if err := a.Open(t.Context(), s, a.log, []string{"example.org", "example.net"}, o); err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, a *Accounts, name string) Account {
	t.Helper()
	user, err := a.Create(t.Context(), NewAccount{JID: jid.MustParse(name)})
	if err != nil {
		t.Fatal(err)
	}
	return user
}

func TestCreate(t *testing.T) {
	a := open(t)
	juliet := create(t, a, "juliet@example.org")
	if juliet.ID == 0 || juliet.Created.IsZero() || a.Count() != 1 {
		t.Errorf("made %+v, count %d", juliet, a.Count())
	}
	for _, c := range []struct {
		name string
		n    NewAccount
		want error
	}{
		{"taken", NewAccount{JID: jid.MustParse("Juliet@example.org")}, ErrExists},
		{"other domain", NewAccount{JID: jid.MustParse("juliet@example.net")}, nil},
		{"foreign domain", NewAccount{JID: jid.MustParse("juliet@example.com")}, ErrHost},
		{"domain alone", NewAccount{JID: jid.MustParse("example.org")}, ErrName},
		{"resource", NewAccount{JID: jid.MustParse("a@example.org/b")}, ErrName},
		{"no address", NewAccount{}, ErrName},
		{"control character", NewAccount{JID: jid.MustParse("a@example.org"), Password: "a\x01b"}, ErrPassword},
		{"unknown invitation", NewAccount{JID: jid.MustParse("a@example.org"), Invitation: "x"}, ErrInvitation},
	} {
		if _, err := a.Create(t.Context(), c.n); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if a.Count() != 2 {
		t.Errorf("count %d", a.Count())
	}
}

func TestCreateAtTheSameTimeMakesOne(t *testing.T) {
	a := open(t)
	var wg sync.WaitGroup
	made, exists := make(chan ID, 8), make(chan error, 8)
	for range 8 {
		wg.Go(func() {
			user, err := a.Create(t.Context(), NewAccount{JID: jid.MustParse("juliet@example.org")})
			if err != nil {
				exists <- err
			} else {
				made <- user.ID
			}
		})
	}
	wg.Wait()
	if len(made) != 1 || len(exists) != 7 {
		t.Fatalf("%d made, %d refused", len(made), len(exists))
	}
	for range 7 {
		if err := <-exists; !errors.Is(err, ErrExists) {
			t.Error(err)
		}
	}
	if user, ok, err := a.Lookup(jid.MustParse("juliet@example.org")); !ok || user.ID != <-made || err != nil {
		t.Error("another one was kept")
	}
}

func TestLookup(t *testing.T) {
	a := open(t)
	user := create(t, a, "juliet@example.org")
	for _, c := range []struct {
		address string
		found   bool
	}{
		{"juliet@example.org", true},
		{"romeo@example.org", false},
		{"juliet@example.net", false},
		{"juliet@example.com", false},
		{"example.org", false},
		{"juliet@example.org/balcony", false},
	} {
		for range 2 { // the second time from the cache
			got, ok, err := a.Lookup(jid.MustParse(c.address))
			if err != nil || ok != c.found || ok && got != user {
				t.Errorf("%s: got %+v, %v, %v", c.address, got, ok, err)
			}
		}
	}
	if got, ok, err := a.ByID(user.ID); err != nil || !ok || got != user {
		t.Errorf("by number: %+v, %v, %v", got, ok, err)
	}
	if _, ok, err := a.ByID(user.ID + 100); err != nil || ok {
		t.Errorf("unknown number: %v, %v", ok, err)
	}
}

func TestWhatIsKeptOverARestart(t *testing.T) {
	a := New()
	s := storetest.Open(t, a.Tables()...)
	use(t, a, s)
	jul := jid.MustParse("juliet@example.org")
	if _, err := a.Create(t.Context(), NewAccount{JID: jul, Password: "secret", Role: Operator}); err != nil {
		t.Fatal(err)
	}
	if err := a.Disable(t.Context(), jul, "spam"); err != nil {
		t.Fatal(err)
	}
	before, _, _ := a.Lookup(jul)
	keys, err := a.Directory().Keys(jul, sasl.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	s = storetest.Reopen(t, s)
	b := New()
	use(t, b, s)
	after, ok, err := b.Lookup(jul)
	if err != nil || !ok || after != before || b.Count() != 1 {
		t.Errorf("got %+v, want %+v (%v)", after, before, err)
	}
	if !after.Disabled || after.Reason != "spam" || after.DisabledSince.IsZero() || after.Role != Operator {
		t.Errorf("got %+v", after)
	}
	again, err := b.Directory().Keys(jul, sasl.SHA256)
	if err != nil || !slices.Equal(again.StoredKey, keys.StoredKey) || again.Iterations != sasl.MinIterations {
		t.Errorf("keys %+v, %v", again, err)
	}
	if string(a.Secret()) != string(b.Secret()) || len(b.Secret()) < 16 {
		t.Error("the secret of the fake salts changed")
	}
	if third := create(t, b, "romeo@example.org"); third.ID <= after.ID {
		t.Errorf("number %d after %d", third.ID, after.ID)
	}
}

func TestPassword(t *testing.T) {
	a := open(t)
	jul := jid.MustParse("juliet@example.org")
	if _, err := a.Create(t.Context(), NewAccount{JID: jul, Password: "first"}); err != nil {
		t.Fatal(err)
	}
	check := func(password string, want bool) {
		t.Helper()
		for _, h := range hashes {
			k, err := a.Directory().Keys(jul, h)
			if err != nil {
				t.Fatal(err)
			}
			if got := k.Matches(h, password); got != want {
				t.Errorf("%v, %q: %v, want %v", h, password, got, want)
			}
		}
	}
	check("first", true)
	if err := a.SetPassword(t.Context(), jul, "second"); err != nil {
		t.Fatal(err)
	}
	check("first", false)
	check("second", true)
	if err := a.SetPassword(t.Context(), jul, ""); !errors.Is(err, ErrPassword) {
		t.Errorf("empty password: %v", err)
	}
	if err := a.SetPassword(t.Context(), jid.MustParse("romeo@example.org"), "x"); !errors.Is(err, ErrNone) {
		t.Errorf("nobody's password: %v", err)
	}
	check("second", true)
}

// asked is a context that tells when somebody begins to wait for it.
type asked struct {
	context.Context
	waits chan struct{}
}

func (c asked) Done() <-chan struct{} {
	select {
	case c.waits <- struct{}{}:
	default:
	}
	return c.Context.Done()
}

// An account that is deleted while the keys of its new password are derived leaves
// none behind: its number is never swept again.
func TestPasswordOfADeletedAccount(t *testing.T) {
	a := open(t)
	user := create(t, a, "juliet@example.org")
	a.derive <- struct{}{} // as if another derivation were under way
	ctx := asked{t.Context(), make(chan struct{}, 1)}
	done := make(chan error, 1)
	go func() { done <- a.SetPassword(ctx, user.JID, "r0m30") }()
	<-ctx.waits
	if err := a.Delete(t.Context(), user.JID); err != nil {
		t.Fatal(err)
	}
	<-a.derive
	if err := <-done; !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
	if err := a.store.View(func(tx *store.Tx) error {
		if n := tx.Count(a.tables.keys, nil, nil, 0); n != 0 {
			t.Errorf("%d keys are left", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestDirectory(t *testing.T) {
	a := open(t)
	d := a.Directory()
	create(t, a, "keyless@example.org")
	for _, name := range []string{"keyless@example.org", "nobody@example.org", "nobody@example.com"} {
		if _, err := d.Keys(jid.MustParse(name), sasl.SHA1); !errors.Is(err, sasl.ErrUnknownUser) {
			t.Errorf("%s: %v", name, err)
		}
	}
	jul := jid.MustParse("juliet@example.org")
	create(t, a, "juliet@example.org")
	condition := func(want sasl.Condition) {
		t.Helper()
		var got sasl.Condition
		if err := d.Admit(jul); err != nil {
			var e *sasl.Error
			errors.As(err, &e)
			got = e.Condition
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	condition("")
	a.Disable(t.Context(), jul, "x")
	condition(sasl.AccountDisabled)
	a.Enable(t.Context(), jul)
	condition("")
	a.Delete(t.Context(), jul)
	condition(sasl.NotAuthorized)
}

func TestDeleteTakesEverythingWithIt(t *testing.T) {
	a := open(t)
	jul, rom := create(t, a, "juliet@example.org"), create(t, a, "romeo@example.org")
	if err := a.SetPassword(t.Context(), jul.JID, "x"); err != nil {
		t.Fatal(err)
	}
	a.LoggedIn(jul.ID)
	rows := func(id ID) (n int) {
		a.store.View(func(tx *store.Tx) error {
			for _, tab := range a.store.Options().Tables {
				if tab.Owner == table.Account {
					n += tx.Count(tab, id.Row(), table.PrefixEnd(id.Row()), 0)
				}
			}
			return nil
		})
		return n
	}
	for _, id := range []ID{jul.ID, rom.ID} {
		var b store.Batch
		b.Put(notes, append(id.Row(), 'a'), []byte("x"))
		b.Put(notes, append(id.Row(), 'b'), []byte("x"))
		if err := a.store.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		b.Put(notesCache, append(id.Row(), 'c'), []byte("x"))
		if err := a.store.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if rows(jul.ID) < 7 || rows(rom.ID) != 4 {
		t.Fatalf("rows before: %d, %d", rows(jul.ID), rows(rom.ID))
	}
	// A session writes until it is told to end.
	a.Watch(func(c Change) {
		if c.Kind == Deleted {
			var b store.Batch
			b.Put(notes, append(c.Account.ID.Row(), 'z'), []byte("late"))
			a.store.Submit(&b, nil)
		}
	})
	if err := a.Delete(t.Context(), jul.JID); err != nil {
		t.Fatal(err)
	}
	if rows(jul.ID) != 0 || rows(rom.ID) != 4 {
		t.Errorf("rows after: %d, %d", rows(jul.ID), rows(rom.ID))
	}
	if err := a.Delete(t.Context(), jul.JID); !errors.Is(err, ErrNone) {
		t.Errorf("a second time: %v", err)
	}
	if err := a.Close(t.Context()); err != nil || rows(jul.ID) != 0 {
		t.Errorf("its activity was written afterwards: %d rows, %v", rows(jul.ID), err)
	}
	again := create(t, a, "juliet@example.org")
	if again.ID == jul.ID {
		t.Error("the number was used again")
	}
	if a.Count() != 2 {
		t.Errorf("count %d", a.Count())
	}
}

func TestWatch(t *testing.T) {
	a := open(t)
	var got []string
	a.Watch(func(c Change) {
		// Coherence: who is told of a change can see it.
		user, ok, err := a.Lookup(c.Account.JID)
		if err != nil || ok != (c.Kind != Deleted) || ok && user != c.Account {
			t.Errorf("%v: sees %+v, %v, %v", c.Kind, user, ok, err)
		}
		got = append(got, strconv.Itoa(int(c.Kind)))
	})
	jul, ctx := jid.MustParse("juliet@example.org"), t.Context()
	a.Lookup(jul) // a negative entry
	_, err := a.Create(ctx, NewAccount{JID: jul})
	for _, e := range []error{err, a.SetPassword(ctx, jul, "x"), a.Disable(ctx, jul, "y"), a.Enable(ctx, jul), a.SetRole(ctx, jul, Admin), a.Delete(ctx, jul)} {
		if e != nil {
			t.Fatal(e)
		}
	}
	want := []ChangeKind{Created, PasswordChanged, Disabled, Enabled, RoleChanged, Deleted}
	if len(got) != len(want) {
		t.Fatalf("told %v", got)
	}
	for i := range want {
		if got[i] != strconv.Itoa(int(want[i])) {
			t.Errorf("told %v, want %v", got, want)
		}
	}
}

// Who wants to know what a deleted account had is asked before it is gone, and told
// afterwards; also where it stays.
func TestLeaving(t *testing.T) {
	a := open(t)
	jul := create(t, a, "juliet@example.org")
	var events []string
	a.Watch(func(c Change) {
		if c.Kind == Deleted {
			events = append(events, "deleted")
		}
	})
	a.Leaving(func(user Account) func() {
		if now, ok, err := a.ByID(user.ID); err != nil || !ok || now != user || user.ID != jul.ID {
			t.Errorf("leaving is %+v, there is %+v, %v, %v", user, now, ok, err)
		}
		events = append(events, "leaves")
		return func() { events = append(events, "end") }
	})
	a.Leaving(func(Account) func() { return nil })
	if err := a.Delete(t.Context(), jid.MustParse("nobody@example.org")); !errors.Is(err, ErrNone) || len(events) > 0 {
		t.Errorf("nobody leaves: %v, %v", err, events)
	}
	if err := a.Delete(t.Context(), jul.JID); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(events, " "); got != "leaves deleted end" {
		t.Errorf("what happens: %s", got)
	}
	events = nil
	create(t, a, "juliet@example.org")
	jul, _, _ = a.Lookup(jul.JID)
	a.Leaving(func(user Account) func() { // a row that must be there for the deletion
		var b store.Batch
		b.Delete(a.tables.accounts, user.ID.Row())
		if err := a.store.Apply(t.Context(), &b); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err := a.Delete(t.Context(), jul.JID); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(events, " "); got != "leaves end" {
		t.Errorf("what happens where it fails: %s", got)
	}
}

func TestChangesOfOneAccountAtTheSameTimeAllHappen(t *testing.T) {
	a := open(t)
	jul := create(t, a, "juliet@example.org").JID
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			var err error
			switch i % 2 {
			case 0:
				err = a.SetRole(t.Context(), jul, Operator)
			case 1:
				err = a.Disable(t.Context(), jul, "x")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	user, _, _ := a.Lookup(jul)
	if user.Role != Operator || !user.Disabled {
		t.Errorf("one change undid the other: %+v", user)
	}
	fresh, _, err := a.ByID(user.ID)
	if err != nil || fresh != user {
		t.Errorf("the cache has %+v, the store %+v", user, fresh)
	}
}

func TestRoleOf(t *testing.T) {
	a := open(t)
	create(t, a, "juliet@example.org")
	create(t, a, "root@example.org")
	if err := a.SetRole(t.Context(), jid.MustParse("juliet@example.org"), Operator); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Role{"juliet@example.org": Operator, "root@example.org": Admin, "nobody@example.org": User} {
		if got, err := a.RoleOf(jid.MustParse(name)); got != want || err != nil {
			t.Errorf("%s: %v, want %v (%v)", name, got, want, err)
		}
	}
	for r := User; r <= Admin; r++ {
		if got, ok := ParseRole(r.String()); got != r || !ok {
			t.Errorf("%v is read as %v", r, got)
		}
	}
}

func TestList(t *testing.T) {
	a := open(t)
	for _, n := range []string{"c@example.org", "a@example.org", "ab@example.org", "b@example.org", "z@example.net"} {
		create(t, a, n)
	}
	for _, c := range []struct {
		host, after string
		limit       int
		want        string
	}{
		{"example.org", "", 10, "a ab b c"},
		{"example.org", "", 2, "a ab"},
		{"example.org", "a", 2, "ab b"},
		{"example.org", "ab", 2, "b c"},
		{"example.org", "aa", 1, "ab"},
		{"example.org", "c", 2, ""},
		{"example.net", "", 9, "z"},
		{"example.com", "", 9, ""},
	} {
		list, err := a.List(c.host, c.after, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, u := range list {
			names = append(names, u.JID.Local())
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s after %q: %s, want %s", c.host, c.after, got, c.want)
		}
	}
	if n, err := a.CountOf("example.org"); n != 4 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
}

func TestCanceledCreateMayStillHappen(t *testing.T) {
	a := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	told := make(chan Change, 1)
	a.Watch(func(c Change) { told <- c })
	_, err := a.Create(ctx, NewAccount{JID: jid.MustParse("juliet@example.org")})
	if err == nil {
		t.Skip("the commit was faster")
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if c := <-told; c.Kind != Created {
		t.Errorf("told %v", c)
	}
	if ok, err := a.Exists(jid.MustParse("juliet@example.org")); !ok || err != nil {
		t.Error("told but not there")
	}
}

func TestGeneratedPassword(t *testing.T) {
	one, two := Password(), Password()
	if one == two || len(one) != 24 || strings.Count(one, "-") != 4 {
		t.Errorf("%q, %q", one, two)
	}
	if _, err := sasl.PreparePassword(one); err != nil {
		t.Error(err)
	}
}

func TestRecord(t *testing.T) {
	a := Account{ID: 7, JID: jid.MustParse("jül@example.org"), Created: time.Unix(-5, 0).UTC(), Role: Admin, Disabled: true, DisabledSince: time.Unix(1<<33, 0).UTC(), Reason: "über"}
	row := encodeAccount(&a)
	got, err := decodeAccount(7, row)
	if err != nil || got != a {
		t.Errorf("got %+v, %v", got, err)
	}
	for n := range row {
		if _, err := decodeAccount(7, row[:n]); err == nil {
			t.Errorf("%d of %d bytes were enough", n, len(row))
		}
	}
}

// The numbers of roles are on disks.
func TestStoredRoles(t *testing.T) {
	for n, want := range []Role{User, Operator, Admin, User, User} { // those that mean nothing are harmless
		w := table.NewWriter(rowVersion)
		w.Text("example.org")
		w.Text("juliet")
		w.Time(time.Time{})
		w.Number(uint64(n))
		w.Number(0)
		w.Time(time.Time{})
		w.Text("")
		a, err := decodeAccount(7, w)
		if err != nil || a.Role != want {
			t.Errorf("%d is read as %v, %v", n, a.Role, err)
		}
		if want == Role(n+1) && string(encodeAccount(&a)) != string(w) {
			t.Errorf("%v is written otherwise", want)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(encodeAccount(&Account{JID: jid.MustParse("a@b")}))
	f.Add(encodeKeys(&sasl.Keys{Iterations: 4096, Salt: []byte("s"), StoredKey: []byte("k"), ServerKey: []byte("v")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := decodeAccount(1, b); err == nil {
			if again, err := decodeAccount(1, encodeAccount(&a)); err != nil || again != a {
				t.Fatalf("%+v became %+v, %v", a, again, err)
			}
		}
		if k, err := decodeKeys(b); err == nil {
			if again, err := decodeKeys(encodeKeys(&k)); err != nil || again.Iterations != k.Iterations || string(again.StoredKey) != string(k.StoredKey) {
				t.Fatalf("%+v became %+v, %v", k, again, err)
			}
		}
		_, _ = readInvitation(b, b)
	})
}

func BenchmarkLookup(b *testing.B) {
	a := open(b)
	create(b, a, "juliet@example.org")
	for _, name := range []string{"juliet@example.org", "romeo@example.org"} {
		b.Run(name, func(b *testing.B) {
			j := jid.MustParse(name)
			b.ReportAllocs()
			for b.Loop() {
				a.Lookup(j)
			}
		})
	}
}
