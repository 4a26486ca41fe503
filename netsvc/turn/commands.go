package turn

import (
	"context"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/module"
	"linnet/netsvc/turn/credential"
)

func (p *service) commands(h module.Host) {
	s := p.server
	h.Command(command.Command{
		Name: "turn list", Effect: command.Read, Role: command.Operator,
		Help: "List the relays that are open.",
		Run:  func(context.Context, *command.Call) (*command.Result, error) { return s.table(), nil },
	})
	h.Command(command.Command{
		Name: "turn cut", Effect: command.Danger, Role: command.Operator,
		Args: []command.Arg{
			{Name: "number", Kind: command.Int, Help: "the relay's number in `turn list`"},
			{Name: "user", Kind: command.Text, Help: "all relays of this user, as `turn list` names him"},
		},
		Help: "End relays, and with them the calls that go through them.",
		Run: func(_ context.Context, a *command.Call) (*command.Result, error) {
			if a.Has("number") == a.Has("user") {
				return nil, command.BadArg("number", "either a number or a user is needed")
			}
			n := s.cut(func(c *call) bool {
				return a.Has("number") && c.number == uint64(a.Int("number")) || a.Has("user") && c.tag.label == a.String("user")
			})
			if n == 0 {
				return nil, command.Fail(command.NotFound, "there is no such relay")
			}
			return new(command.Result).SetInt("ended", "relays ended", int64(n)), nil
		},
	})
	name := command.Arg{Name: "name", Kind: command.Text, Required: true, Help: "the name that clients are configured with"}
	h.Command(command.Command{
		Name: "turn user set", Effect: command.Change, Role: command.Admin,
		Args: []command.Arg{name, {Name: "password", Kind: command.Password, Required: true, Help: "his password for TURN"}},
		Help: "Make a user of TURN who has no account, such as a telephone, or give him another password.",
		Run: func(ctx context.Context, a *command.Call) (*command.Result, error) {
			u, password := a.String("name"), a.String("password")
			if len(u) > 64 || strings.ContainsAny(u, ":\"\\") {
				return nil, command.BadArg("name", "at most 64 letters, without colons and quotes")
			}
			realm := s.Realm()
			return nil, s.keeper.SetUser(ctx, credential.User{Name: u, Realm: realm, Key: credential.Key(u, realm, password)})
		},
	})
	h.Command(command.Command{
		Name: "turn user remove", Effect: command.Danger, Role: command.Admin, Args: []command.Arg{name},
		Help: "Remove a user of TURN and end his calls.",
		Run: func(ctx context.Context, a *command.Call) (*command.Result, error) {
			u := a.String("name")
			if s.keeper.Named(u) == nil {
				return nil, command.Fail(command.NotFound, "there is no such user")
			}
			if err := s.keeper.SetUser(ctx, credential.User{Name: u}); err != nil {
				return nil, err
			}
			s.cut(func(c *call) bool { return c.tag.name == u })
			return nil, nil
		},
	})
	h.Command(command.Command{
		Name: "turn user list", Effect: command.Read, Role: command.Operator,
		Help: "List the users of TURN who were made with `turn user set`.",
		Run: func(context.Context, *command.Call) (*command.Result, error) {
			r := command.Table(command.Column{Name: "name"}, command.Column{Name: "realm"}, command.Column{Name: "works", Label: "works", Kind: command.Bool})
			for _, u := range s.keeper.Users() {
				r.Row(u.Name, u.Realm, strconv.FormatBool(u.Realm == s.Realm()))
			}
			return r, nil
		},
	})
	h.Command(command.Command{
		Name: "turn secret rotate", Effect: command.Change, Role: command.Admin,
		Help: "Make a new secret that credentials are issued with. Those of the old one stay good for their time.",
		Run: func(ctx context.Context, _ *command.Call) (*command.Result, error) {
			if !s.clockSet(time.Now()) {
				return nil, command.Fail(command.Unavailable, "the clock has not been set yet")
			}
			return nil, s.keeper.Rotate(ctx, s.rules.Load().life)
		},
	})
}

// table shows the calls.
func (s *server) table() *command.Result {
	r := command.Table(
		command.Column{Name: "number", Kind: command.Int}, command.Column{Name: "user"}, command.Column{Name: "client"},
		command.Column{Name: "over"}, command.Column{Name: "relay"}, command.Column{Name: "since", Kind: command.Time},
		command.Column{Name: "sent", Kind: command.Bytes}, command.Column{Name: "received", Kind: command.Bytes})
	for _, c := range s.list(isOpen) {
		sent, received := c.relay.Bytes()
		r.Row(strconv.FormatUint(c.number, 10), c.tag.label, c.ask.From.String(), c.ask.Transport, c.relay.Addr().String(),
			command.Stamp(c.since), strconv.FormatUint(sent, 10), strconv.FormatUint(received, 10))
	}
	return r
}
