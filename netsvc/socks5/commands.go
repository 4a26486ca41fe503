package socks5

import (
	"context"
	"slices"
	"strconv"

	"linnet/netsvc/command"
	"linnet/netsvc/module"
)

func (p *proxy) commands(h module.Host) {
	h.Command(command.Command{Name: "transfer list", Role: command.Operator, Effect: command.Read,
		Help: "List the file transfers under way.", Run: p.list})
	h.Command(command.Command{Name: "transfer cut", Role: command.Operator, Effect: command.Danger,
		Args: []command.Arg{
			{Name: "id", Kind: command.Int, Help: "the number of a transfer"},
			{Name: "user", Kind: command.JID, Help: "or a user, whose transfers all end"}},
		Help: "End file transfers.", Run: p.cut})
}

func (p *proxy) list(context.Context, *command.Call) (*command.Result, error) {
	r := command.Table(command.Column{Name: "id", Kind: command.Int}, command.Column{Name: "requester"}, command.Column{Name: "target"},
		command.Column{Name: "out", Kind: command.Bytes}, command.Column{Name: "in", Kind: command.Bytes}, command.Column{Name: "since", Kind: command.Time})
	list := p.live.list()
	slices.SortFunc(list, func(a, b *moving) int { return int(int64(a.id) - int64(b.id)) })
	for _, m := range list {
		target := m.request.Target.String()
		if target == "" { // of the gateway
			target = m.sides[1].conn.RemoteAddr().String()
		}
		r.Row(strconv.FormatUint(m.id, 10), m.request.Requester.String(), target,
			strconv.FormatInt(m.bytes[0].Load(), 10), strconv.FormatInt(m.bytes[1].Load(), 10), command.Stamp(m.begin))
	}
	return r, nil
}

func (p *proxy) cut(_ context.Context, c *command.Call) (*command.Result, error) {
	switch {
	case c.Has("id") == c.Has("user"):
		return nil, command.BadArg("id", "either a transfer or a user is needed")
	case c.Has("user"):
		n := p.live.cutUser(c.JID("user").Bare())
		return new(command.Result).SetInt("cut", "Cut", int64(n)), nil
	}
	for _, m := range p.live.list() {
		if m.id == uint64(c.Int("id")) {
			m.end(endCut, nil)
			return new(command.Result).SetInt("cut", "Cut", 1), nil
		}
	}
	return nil, command.Fail(command.NotFound, "there is no transfer %d", c.Int("id"))
}
