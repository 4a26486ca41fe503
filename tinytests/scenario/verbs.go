package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verb is one row of the language: what a line that begins with it means.
type Verb struct {
	Name  string
	Usage string // its arguments
	Help  string
	min   int
	max   int  // -1: any number
	whole bool // takes the rest of the line as it stands
	run   func(r *run, args []string) error
}

// Verbs lists the verbs of the language, by name.
func Verbs() []Verb {
	var all []Verb
	for _, v := range verbs {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b Verb) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// verbs is filled by init because the verbs call the parser, which reads this table.
var verbs = map[string]Verb{}

func init() {
	for _, v := range []Verb{
		{Name: "accounts", Usage: "NAME…", Help: "make these accounts; each has the password secret-of-NAME", min: 1, max: -1, run: (*run).accounts},
		{Name: "friends", Usage: "NAME NAME…", Help: "subscribe the first and each of the others to one another's presence", min: 2, max: -1, run: (*run).friends},
		{Name: "connect", Usage: "NAME[/RESOURCE] as WHO [over starttls|tls|plain] [using MECHANISM] [password WORD] [fails CONDITION]",
			Help: "log in and bind; no presence is sent", min: 3, max: 11, run: (*run).connect},
		{Name: "online", Usage: "NAME[/RESOURCE] as WHO [as connect]", Help: "connect, send initial presence and take its echo", min: 3, max: 9, run: (*run).online},
		{Name: "authenticate", Usage: "NAME as WHO [as connect]", Help: "log in without binding; the stream features are next to be taken", min: 3, max: 9, run: (*run).login},
		{Name: "open", Usage: "WHO [over tls|plain]", Help: "only open the connection: the script speaks for itself from the stream header on", min: 1, max: 3, run: (*run).open},
		{Name: "secure", Usage: "WHO", Help: "do the TLS handshake, after <proceed/>", min: 1, max: 1, run: (*run).secure},
		{Name: "close", Usage: "WHO…", Help: "end the stream in an orderly way and wait until the server has, too", min: 1, max: -1, run: (*run).close},
		{Name: "cut", Usage: "WHO…", Help: "lose the connection, as a network does", min: 1, max: -1, run: (*run).cut},
		{Name: "stall", Usage: "WHO…", Help: "stop reading", min: 1, max: -1, run: func(r *run, args []string) error {
			return r.each(args, func(c *client) error { c.gate.shut(); return nil })
		}},
		{Name: "unstall", Usage: "WHO…", Help: "read again", min: 1, max: -1, run: func(r *run, args []string) error {
			return r.each(args, func(c *client) error { c.gate.open(); return nil })
		}},
		{Name: "forget", Usage: "WHO…", Help: "let everything come to rest, then drop what these have received", min: 1, max: -1, run: (*run).forget},
		{Name: "repeat", Usage: "N WHO: XML", Help: "send N times; {i} counts from 1", whole: true, run: (*run).repeat},
		{Name: "advance", Usage: "DURATION", Help: "let time pass", min: 1, max: 1, run: (*run).advance},
		{Name: "restart", Usage: "", Help: "stop the server in an orderly way and start it on the same data", max: 0, run: func(r *run, _ []string) error { return r.server.Restart() }},
		{Name: "kill", Usage: "", Help: "kill the server without warning and start it on the same data", max: 0, run: func(r *run, _ []string) error { return r.server.Kill() }},
		{Name: "ctl", Usage: "WORD…", Help: "run an administrator's command, which must succeed", whole: true, run: (*run).ctl},
		{Name: "ctl-fails", Usage: "WORD…", Help: "run an administrator's command, which must be refused", whole: true, run: (*run).ctlFails},
		{Name: "prints", Usage: "TEXT", Help: "the last command printed a line that matches; * stands for anything", whole: true, run: (*run).prints},
		{Name: "same", Usage: "{NAME} {NAME}", Help: "two bound values are equal", min: 2, max: 2, run: (*run).same},
		{Name: "differ", Usage: "{NAME} {NAME}", Help: "two bound values are not equal", min: 2, max: 2, run: (*run).differ},
	} {
		verbs[v.Name] = v
	}
}

// passwordOf is what accounts gives an account.
func passwordOf(local string) string { return "secret-of-" + local }

func (r *run) accounts(names []string) error {
	for _, name := range names {
		if err := r.server.AddAccount(name, passwordOf(name)); err != nil {
			return err
		}
		r.made = append(r.made, name)
	}
	return nil
}

// parseLogin reads "NAME[/RESOURCE] as WHO" and what may follow.
func (r *run) parseLogin(args []string) (l login, who, fails string, err error) {
	name, resource, _ := strings.Cut(args[0], "/")
	local, domain, other := strings.Cut(name, "@")
	if !other {
		domain = r.server.Domain()
	}
	l = login{local: local, domain: domain, resource: resource, password: passwordOf(local), over: "starttls", limit: r.server.Patience()}
	if len(args) < 3 || args[1] != "as" || len(args)%2 == 0 {
		return l, "", "", fmt.Errorf("NAME as WHO and pairs of words expected")
	}
	who = args[2]
	for i := 3; i < len(args); i += 2 {
		switch value := args[i+1]; args[i] {
		case "over":
			l.over = value
		case "using":
			l.mechanism = value
		case "password":
			l.password = value
		case "fails":
			fails = value
		default:
			return l, "", "", fmt.Errorf("over, using, password or fails expected, not %q", args[i])
		}
	}
	return l, who, fails, nil
}

func (r *run) start(args []string, noBind bool) (*client, error) {
	l, who, fails, err := r.parseLogin(args)
	if err != nil {
		return nil, err
	}
	l.noBind = noBind
	c, err := r.dial(who, l.domain, l.over)
	if err != nil {
		return nil, err
	}
	err = c.login(l)
	var why refused
	switch {
	case fails == "":
		return c, err
	case err == nil:
		return nil, fmt.Errorf("the login succeeded")
	case errors.As(err, &why) && string(why) == fails:
		return nil, nil
	}
	return nil, fmt.Errorf("the login failed with %q, not %s", err, fails)
}

func (r *run) connect(args []string) error {
	_, err := r.start(args, false)
	return err
}

func (r *run) login(args []string) error {
	_, err := r.start(args, true)
	return err
}

func (r *run) online(args []string) error {
	c, err := r.start(args, false)
	if err != nil {
		return err
	}
	if err := c.send("<presence/>"); err != nil {
		return err
	}
	var others []*Element
	for {
		e, err := c.next(r.server.Patience())
		if err != nil {
			return fmt.Errorf("no echo of the initial presence: %w", err)
		}
		if e.is(nsClient, "presence") && e.Attr("from") == c.jid {
			c.putBack(others)
			return nil
		}
		others = append(others, e)
	}
}

func (r *run) open(args []string) error {
	over := "starttls"
	if len(args) == 3 && args[1] == "over" {
		over = args[2]
	} else if len(args) != 1 {
		return fmt.Errorf("WHO [over tls|plain] expected")
	}
	_, err := r.dial(args[0], r.server.Domain(), over)
	return err
}

func (r *run) dial(who, domain, over string) (*client, error) {
	conn, err := r.server.Dial(over)
	if err != nil {
		return nil, err
	}
	c := &client{name: who, domain: domain, conn: conn, arrived: make(chan struct{}, 1)}
	if old := r.clients[who]; old != nil {
		r.retired = append(r.retired, old)
	}
	r.clients[who] = c
	if over == "tls" {
		return c, c.startTLS("xmpp-client")
	}
	c.read()
	return c, nil
}

func (r *run) secure(args []string) error {
	return r.each(args, func(c *client) error { return c.startTLS() })
}

func (r *run) each(names []string, f func(*client) error) error {
	for _, name := range names {
		c := r.clients[name]
		if c == nil {
			return fmt.Errorf("nobody is called %s", name)
		}
		if err := f(c); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *run) close(names []string) error {
	return r.each(names, func(c *client) error {
		if err := c.send("</stream:stream>"); err != nil {
			return err
		}
		for {
			if _, err := c.next(r.server.Patience()); err == errEnded {
				c.conn.Close()
				return nil
			} else if err != nil {
				return fmt.Errorf("the server did not close: %w", err)
			}
		}
	})
}

func (r *run) cut(names []string) error {
	return r.each(names, func(c *client) error { c.cut(); return nil })
}

func (r *run) forget(names []string) error {
	if err := r.server.Wait(r.server.Quiet()); err != nil {
		return err
	}
	return r.each(names, func(c *client) error { c.forget(); return nil })
}

func (r *run) repeat(args []string) error {
	count, rest, _ := strings.Cut(args[0], " ")
	n, err := strconv.Atoi(count)
	m := speaker.FindStringSubmatch(rest)
	if err != nil || m == nil || m[2] != ":" {
		return fmt.Errorf("usage: repeat N WHO: XML")
	}
	xml := flatten(rest[len(m[0]):])
	defer delete(r.bound, "i")
	for i := 1; i <= n; i++ {
		r.bound["i"] = strconv.Itoa(i)
		if err := r.say(m[1], xml); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) advance(args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	return r.server.Wait(d)
}

func (r *run) ctl(args []string) error {
	out, err := r.server.Ctl(r.words(args[0])...)
	r.printed = out
	if err != nil && !errors.Is(err, errCannot) {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return err
}

func (r *run) ctlFails(args []string) error {
	out, err := r.server.Ctl(r.words(args[0])...)
	r.printed = out
	switch {
	case errors.Is(err, errCannot):
		return err
	case err == nil:
		return fmt.Errorf("the command succeeded:\n%s", out)
	}
	r.printed += err.Error() + "\n"
	return nil
}

// words splits a command line; single quotes hold words together.
func (r *run) words(line string) []string {
	text, _ := r.fill(line)
	var words []string
	for i, part := range strings.Split(text, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

func (r *run) prints(args []string) error {
	pattern := strings.Join(strings.Fields(strings.ReplaceAll(args[0], "localhost", r.server.Domain())), " ")
	for line := range strings.Lines(r.printed) {
		if matchValue(pattern, strings.Join(strings.Fields(line), " "), r.bound) {
			return nil
		}
	}
	return fmt.Errorf("no such line in what the command printed:\n%s", r.printed)
}

func (r *run) same(args []string) error {
	a, b, err := r.two(args)
	if err == nil && a != b {
		err = fmt.Errorf("%s is %q, %s is %q", args[0], a, args[1], b)
	}
	return err
}

func (r *run) differ(args []string) error {
	a, b, err := r.two(args)
	if err == nil && a == b {
		err = fmt.Errorf("%s and %s are both %q", args[0], args[1], a)
	}
	return err
}

func (r *run) two(args []string) (a, b string, err error) {
	if a, err = r.fill(args[0]); err == nil {
		b, err = r.fill(args[1])
	}
	return a, b, err
}
