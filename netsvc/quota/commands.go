package quota

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/table"
)

func (p *service) commands(h module.Host) {
	who := command.Arg{Name: "who", Kind: command.Text, Required: true, Help: "a user (name@domain), a domain or a billing group"}
	month := command.Arg{Name: "month", Kind: command.Text, Help: "a month such as 2026-11; left out, the present one"}
	optional := who
	optional.Required = false

	h.Command(command.Command{Name: "quota show", Role: command.Operator, Effect: command.Read, Args: []command.Arg{optional, month},
		Help: "Show what was used in a month, and the limits: of one user or domain, or of this machine with all domains.", Run: p.show})
	h.Command(command.Command{Name: "quota set", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{who,
			{Name: "limit", Kind: command.Enum, Required: true, Choices: []string{"file", "user", "domain", "rate"}, Help: "what is limited: one transfer, each user's month, the domain's month, the bytes a second of each user's transfers (of those that begin from now on)"},
			{Name: "value", Kind: command.Text, Required: true, Help: `a size such as 5GB, "unlimited", "deny", or "inherit" for what the domain or the configuration says`}},
		Help: "Set a limit of a user or a domain.", Run: p.set})
	h.Command(command.Command{Name: "quota list", Role: command.Operator, Effect: command.Read,
		Args: []command.Arg{month, {Name: "max", Kind: command.Int, Default: "100", Help: "how many to list at most"}},
		Help: "List the users who used most in a month.", Run: p.list})
	h.Command(command.Command{Name: "credit show", Role: command.Operator, Effect: command.Read, Args: []command.Arg{optional},
		Help: "Show a balance, or all.", Run: p.credit})
	h.Command(command.Command{Name: "credit topup", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{who, {Name: "bytes", Kind: command.Text, Required: true, Help: `a size such as 5GB; "-5GB" takes back`}},
		Help: "Add to the balance that transfers of a user, or of a domain's users, are paid from.\n\nThe first one makes the balance: from then on what its owner requests needs it.", Run: p.topup})
	h.Command(command.Command{Name: "ledger export", Role: command.Operator, Effect: command.Read,
		Args: []command.Arg{month,
			{Name: "format", Kind: command.Enum, Choices: []string{"csv", "json"}, Default: "csv", Help: "how: lines of values, or an object on each line"},
			{Name: "who", Kind: command.Text, Help: "only what this user, domain or billing group requested, sent or received"}},
		Help: "Show who sent how many bytes to whom, when and over which machine.", Run: p.export})
}

// subject finds whom a command is about.
func (p *service) subject(text string) (Subject, error) {
	o := p.ledger.options.Load()
	for _, group := range o.Groups {
		if group == text {
			return Subject{Name: text, Group: text}, nil
		}
	}
	j, err := jid.Parse(text)
	if err != nil || !j.IsBare() {
		return Subject{}, command.BadArg("who", "%q is neither a user nor a domain", text)
	}
	users := account.Of(p.host)
	if j.IsHost() {
		if !users.IsHost(j.Domain()) {
			return Subject{}, command.Fail(command.NotFound, "%s is not served here", j)
		}
		if group := o.group(j.Domain()); group != j.Domain() {
			return Subject{}, command.BadArg("who", "%s is billed in the group %s", j, group)
		}
		return Subject{Name: j.Domain(), Group: j.Domain()}, nil
	}
	user, ok, err := users.Lookup(j)
	if err != nil {
		return Subject{}, err
	}
	if !ok {
		return Subject{}, command.Fail(command.NotFound, "there is no user %s", j)
	}
	return Subject{ID: user.ID, Name: j.String(), Group: o.group(j.Domain())}, nil
}

// month reads the argument of that name.
func (p *service) month(c *command.Call) (Month, error) {
	if !c.Has("month") {
		return p.ledger.Month(), nil
	}
	m, err := ParseMonth(c.String("month"))
	if err != nil {
		return 0, command.BadArg("month", "%q is not a month such as 2026-11", c.String("month"))
	}
	return m, nil
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func usageTable() *command.Result {
	return command.Table(command.Column{Name: "scope"}, command.Column{Name: "who"}, command.Column{Name: "month"},
		command.Column{Name: "out", Kind: command.Bytes}, command.Column{Name: "in", Kind: command.Bytes},
		command.Column{Name: "leased", Kind: command.Bytes}, command.Column{Name: "limit"})
}

func (u *Usage) row(r *command.Result) {
	r.Row(u.Scope.String(), u.Who, u.Month.String(), number(u.Out), number(u.In), number(u.Leased), u.Limit.String())
}

func (p *service) show(_ context.Context, c *command.Call) (*command.Result, error) {
	month, err := p.month(c)
	if err != nil {
		return nil, err
	}
	r := usageTable()
	if !c.Has("who") {
		box, all, err := p.ledger.BoxUse(month)
		if err != nil {
			return nil, err
		}
		box.row(r)
		all.row(r)
		for _, group := range p.allGroups() {
			u, err := p.ledger.UseOf(Subject{Name: group, Group: group}, month)
			if err != nil {
				return nil, err
			}
			u.row(r)
		}
		return r, nil
	}
	s, err := p.subject(c.String("who"))
	if err != nil {
		return nil, err
	}
	u, err := p.ledger.UseOf(s, month)
	if err != nil {
		return nil, err
	}
	set, err := p.ledger.Limits(s)
	if err != nil {
		return nil, err
	}
	u.row(r)
	for _, scope := range []Scope{File, User, Domain, Rate} {
		if v, ok := set[scope]; ok {
			r.Set("set-"+scope.String(), "set for "+scope.String(), v.String())
		}
	}
	return r, nil
}

// allGroups are the billing groups of the served domains.
func (p *service) allGroups() (list []string) {
	o := p.ledger.options.Load()
	for _, d := range account.Of(p.host).Hosts() {
		if g := o.group(d); !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	return list
}

func (p *service) set(ctx context.Context, c *command.Call) (*command.Result, error) {
	s, err := p.subject(c.String("who"))
	if err != nil {
		return nil, err
	}
	scope := Scope(slices.Index(scopeNames[:], c.String("limit")))
	if s.ID != 0 && scope == Domain {
		return nil, command.BadArg("limit", "a user has no limit for a domain")
	}
	if c.String("value") == "inherit" {
		return nil, p.ledger.Inherit(ctx, s, scope)
	}
	v, err := ParseValue(c.String("value"))
	if err != nil {
		return nil, command.BadArg("value", "%v", err)
	}
	if scope == Rate && v < 1024 {
		return nil, command.BadArg("value", "a rate is at least 1KB, or unlimited")
	}
	return nil, p.ledger.SetLimit(ctx, s, scope, v)
}

func (p *service) list(_ context.Context, c *command.Call) (*command.Result, error) {
	month, err := p.month(c)
	if err != nil {
		return nil, err
	}
	list, err := p.ledger.users(month)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b userUse) int {
		switch x, y := a.out+a.in, b.out+b.in; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	r := command.Table(command.Column{Name: "user"}, command.Column{Name: "out", Kind: command.Bytes}, command.Column{Name: "in", Kind: command.Bytes})
	for _, u := range list[:max(0, min(len(list), c.Int("max")))] {
		user, ok, err := account.Of(p.host).ByID(u.id)
		if err != nil {
			return nil, err
		}
		if ok {
			r.Row(user.JID.String(), number(u.out), number(u.in))
		}
	}
	return r, nil
}

// userUse is what a user used in a month; 24 bytes each, for a list of all.
type userUse struct {
	id      account.ID
	out, in int64
}

// users lists who used anything in a month and what is settled of it.
func (l *Ledger) users(month Month) (list []userUse, err error) {
	var bad error
	err = l.store.View(func(tx *store.Tx) error {
		return tx.Scan(l.tables.usedByUser, nil, nil, false, func(k, v []byte) bool {
			id, rest, err := table.ReadUint64(k)
			if err == nil {
				var m uint32
				if m, _, err = table.ReadUint32(rest); Month(m) != month {
					return err == nil
				}
			}
			u := userUse{id: account.ID(id)}
			if err == nil {
				u.out, u.in, err = decodeUsed(v)
			}
			list = append(list, u)
			bad = err
			return err == nil
		})
	})
	if err == nil {
		err = bad
	}
	return list, err
}

func (p *service) credit(_ context.Context, c *command.Call) (*command.Result, error) {
	r := command.Table(command.Column{Name: "who"}, command.Column{Name: "left", Kind: command.Bytes}, command.Column{Name: "leased", Kind: command.Bytes})
	var subjects []Subject
	if c.Has("who") {
		s, err := p.subject(c.String("who"))
		if err != nil {
			return nil, err
		}
		subjects = []Subject{s}
	} else {
		var err error
		if subjects, err = p.owners(); err != nil {
			return nil, err
		}
	}
	for _, s := range subjects {
		b, ok, err := p.ledger.Credit(s)
		if err != nil {
			return nil, err
		}
		if ok {
			r.Row(s.Name, number(b.Left), number(b.Leased))
		} else if c.Has("who") {
			return nil, command.Fail(command.NotFound, "%s has no credit", s.Name)
		}
	}
	return r, nil
}

// owners lists who has a balance.
func (p *service) owners() (list []Subject, err error) {
	var ids []account.ID
	l := p.ledger
	err = l.store.View(func(tx *store.Tx) error {
		err := tx.Scan(l.tables.domainCredit, nil, nil, false, func(k, _ []byte) bool {
			name, _, err := table.ReadString(k)
			list = append(list, Subject{Name: name, Group: name})
			return err == nil
		})
		if err != nil {
			return err
		}
		return tx.Scan(l.tables.userCredit, nil, nil, false, func(k, _ []byte) bool {
			id, _, err := table.ReadUint64(k)
			ids = append(ids, account.ID(id))
			return err == nil
		})
	})
	for i := 0; i < len(ids) && err == nil; i++ {
		user, ok := account.Account{}, false
		if user, ok, err = account.Of(p.host).ByID(ids[i]); ok {
			list = append(list, Subject{ID: user.ID, Name: user.JID.String()})
		}
	}
	return list, err
}

func (p *service) topup(ctx context.Context, c *command.Call) (*command.Result, error) {
	s, err := p.subject(c.String("who"))
	if err != nil {
		return nil, err
	}
	text, negative := strings.CutPrefix(c.String("bytes"), "-")
	n, err := config.ParseBytes(text)
	if err != nil {
		return nil, command.BadArg("bytes", "%v", err)
	}
	if negative {
		n = -n
	}
	left, err := p.ledger.TopUp(ctx, s, n)
	if err == ErrNoCredit {
		return nil, command.Fail(command.NotAllowed, "the balance would be negative or too large")
	}
	if err != nil {
		return nil, err
	}
	return new(command.Result).Add("left", "Left", command.Bytes, number(left)), nil
}

// exportPage is how many entries are read and shown at a time.
const exportPage = 200

func (p *service) export(_ context.Context, c *command.Call) (*command.Result, error) {
	var month Month // all, unless one is asked for
	if c.Has("month") {
		m, err := p.month(c)
		if err != nil {
			return nil, err
		}
		month = m
	}
	json := c.String("format") == "json"
	var text []byte
	if !json {
		text = append(text, csvHead...)
	}
	for after := uint64(0); ; {
		list, err := p.ledger.Entries(month, after, exportPage)
		if err != nil {
			return nil, err
		}
		for i := range list {
			e := &list[i]
			after = e.Order
			if c.Has("who") && !p.concerns(e, c.String("who")) {
				continue
			}
			if json {
				text = e.AppendJSON(text)
			} else {
				text = e.AppendCSV(text)
			}
			text = append(text, '\n')
		}
		if len(list) < exportPage {
			return command.Say(strings.TrimSuffix(string(text), "\n")), nil
		}
		if len(text) > 0 {
			if err := c.Emit(command.Say(strings.TrimSuffix(string(text), "\n"))); err != nil {
				return nil, nil // nobody looks any more
			}
			text = text[:0]
		}
	}
}

// concerns tells whether an entry is about a user, a domain or a group.
func (p *service) concerns(e *Entry, who string) bool {
	o := p.ledger.options.Load()
	for _, j := range []jid.JID{e.From, e.To, e.Requester} {
		if j.Bare().String() == who || j.Domain() == who || o.Groups[j.Domain()] == who {
			return !j.IsZero()
		}
	}
	return e.Group == who
}

const csvHead = "begin,end,month,service,box,requester,group,from,to,out,in,credit,reason\n"

// texts are the values of an entry in the order of csvHead.
func (e *Entry) texts() [13]string {
	moment := func(t time.Time) string { return command.Stamp(t) }
	return [...]string{moment(e.Begin), moment(e.End), e.Month.String(), e.Service, e.Box, e.Requester.String(), e.Group,
		e.From.String(), e.To.String(), number(e.Out), number(e.In), number(e.Credit), e.Reason}
}

// AppendCSV appends the entry as a line of RFC 4180, without its end.
func (e *Entry) AppendCSV(dst []byte) []byte {
	for i, v := range e.texts() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v != "" && strings.ContainsRune("=+-@\t", rune(v[0])) {
			v = "'" + v // a name that a spreadsheet would take for a formula
		}
		if strings.ContainsAny(v, "'\",\r\n") {
			v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
		}
		dst = append(dst, v...)
	}
	return dst
}

// AppendJSON appends the entry as one object.
func (e *Entry) AppendJSON(dst []byte) []byte {
	names := strings.Split(strings.TrimSuffix(csvHead, "\n"), ",")
	for i, v := range e.texts() {
		dst = append(dst, "{,"[min(i, 1)])
		dst = append(command.AppendJSONString(dst, names[i]), ':')
		switch names[i] {
		case "out", "in", "credit":
			dst = append(dst, v...)
		default:
			dst = command.AppendJSONString(dst, v)
		}
	}
	return append(dst, '}')
}
