// Package adhoc shows the commands of the appliance to XMPP clients: Ad-Hoc
// Commands, XEP-0050 1.3.0, with forms made of what each command declares.
//
// It owns the exchange of forms. Who may do what, the checks, the audit and the
// counting are behind the one door, command.Set.Run, as for every other surface.
//
// A command here has at most two stages: a form, and its result. The server keeps
// nothing between them: what is submitted has all that is needed.
package adhoc

import (
	"context"
	"crypto/rand"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/wire/disco"
	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const space = "http://jabber.org/protocol/commands"

// patience is how long a command may run before its caller is told that it failed.
const patience = 2 * time.Minute

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "adhoc",
		Summary: "the appliance's commands in XMPP clients",
		Specs:   []string{"XEP-0050 1.3.0", "XEP-0133 1.3.1"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct{ host xmpp.Host }

func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	h.IQ(xmpp.IQ{Space: space, Local: "command", To: xmpp.ToHost, Set: m.execute})
	h.Disco().Node(space, xmpp.DiscoNode{Info: m.listInfo, Items: m.list})
	h.Disco().OtherNodes = m.commandInfo
	return nil
}

// caller is who asks, with the role of the account.
func (m *extension) caller(r *xmpp.Request) command.Caller {
	c := command.Caller{JID: r.IQ.From.Bare(), Via: "ad-hoc"}
	if r.Session == nil {
		return c // nobody of ours: no role at all
	}
	role, err := m.host.Server().Accounts().RoleOf(c.JID)
	if err != nil {
		m.host.Log().Error("role cannot be read", "cause", err)
		return c
	}
	c.Role = role
	return c
}

// nodeOf is the name of a command in XMPP: the one a specification gives it, or our
// own.
func nodeOf(c *command.Command) string {
	if c.Node != "" {
		return c.Node
	}
	return c.Name
}

// list is section 2.2: the commands that the asker may run. Accounts have none.
func (m *extension) list(r *xmpp.Request) ([]disco.Item, *stanza.Error) {
	if r.Account != nil {
		return nil, stanza.NewError(stanza.ItemNotFound, "")
	}
	host, err := jid.Parse(r.Host)
	if err != nil {
		return nil, stanza.NewError(stanza.InternalServerError, "")
	}
	var items []disco.Item
	for _, c := range m.host.Commands().For(m.caller(r)) {
		if !c.Local {
			items = append(items, disco.Item{JID: host, Node: nodeOf(c), Name: c.Summary()})
		}
	}
	return items, nil
}

func (m *extension) listInfo(r *xmpp.Request) (*disco.Info, *stanza.Error) {
	if r.Account != nil {
		return nil, stanza.NewError(stanza.ItemNotFound, "")
	}
	return &disco.Info{Identities: []disco.Identity{{Category: "automation", Type: "command-list", Name: "commands"}}, Features: []string{space}}, nil
}

// commandInfo is what one command is; nil when the node is none that the asker may
// know of.
func (m *extension) commandInfo(r *xmpp.Request, node string) *disco.Info {
	c := m.host.Commands().Find(node)
	if c == nil || c.Local || r.Account != nil || c.Role > m.caller(r).Role {
		return nil
	}
	return &disco.Info{
		Identities: []disco.Identity{{Category: "automation", Type: "command-node", Name: c.Summary()}},
		Features:   []string{space, form.Space},
	}
}

// execute is section 2.4: the form of a command, or its run. Each request stands for
// itself, so a session's id is what the client says it is, and no session expires.
func (m *extension) execute(r *xmpp.Request) {
	c := m.host.Commands().Find(r.Payload.Attr("node"))
	caller := m.caller(r)
	switch {
	case c == nil || c.Local:
		r.Refuse(stanza.ItemNotFound, "there is no such command")
		return
	case c.Role > caller.Role:
		// The door would say the same; asked here so that nobody gets the form.
		r.Refuse(stanza.Forbidden, "")
		return
	}
	session := r.Payload.Attr("sessionid")
	if session == "" {
		session = rand.Text()
	}
	submitted := r.Payload.Child(form.Space, "x")
	switch r.Payload.Attr("action") {
	case "cancel":
		r.Result(answer(c, session, "canceled").End().Bytes())
		return
	case "", "execute", "complete":
	case "next", "prev":
		r.Fail(badAction("bad-action"))
		return
	default:
		r.Fail(badAction("malformed-action"))
		return
	}
	if submitted == nil && len(c.Args) > 0 {
		r.Result(ask(c, session))
		return
	}
	values, bad := read(c, submitted)
	if bad != nil {
		r.Fail(bad)
		return
	}
	// A command may wait for the store, or derive keys: not on a reader.
	go m.run(r, c, caller, session, values)
}

func (m *extension) run(r *xmpp.Request, c *command.Command, caller command.Caller, session string, values command.Values) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := m.host.Commands().Run(ctx, caller, c.Name, values)
	if err != nil {
		r.Fail(failure(err))
		return
	}
	w := answer(c, session, "completed")
	appendResult(w, c, result)
	r.Result(w.End().Bytes())
}

// failure is the stanza error for a command that failed.
func failure(err error) *stanza.Error {
	condition := map[command.Reason]stanza.Condition{
		command.BadArgument: stanza.BadRequest,
		command.Unknown:     stanza.ItemNotFound,
		command.Forbidden:   stanza.Forbidden,
		command.NotFound:    stanza.ItemNotFound,
		command.Conflict:    stanza.Conflict,
		command.NotAllowed:  stanza.NotAllowed,
		command.Unavailable: stanza.ResourceConstraint,
	}
	c, ok := condition[command.ReasonOf(err)]
	if !ok {
		return stanza.NewError(stanza.InternalServerError, "")
	}
	e := stanza.NewError(c, err.Error())
	if c == stanza.BadRequest {
		e.App = []byte("<bad-payload xmlns='" + space + "'/>")
	}
	return e
}

func badAction(condition string) *stanza.Error {
	e := stanza.NewError(stanza.BadRequest, "")
	e.App = []byte("<" + condition + " xmlns='" + space + "'/>")
	return e
}

// answer begins a command element.
func answer(c *command.Command, session, status string) *xmlstream.Writer {
	w := xmlstream.NewWriter("jabber:client")
	return w.Start(space, "command").Attr("node", nodeOf(c)).Attr("sessionid", session).Attr("status", status)
}
