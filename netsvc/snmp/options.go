package snmp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/config"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
)

// options are what the operator wrote.
type options struct {
	listen      []string
	authTraps   bool
	users       []*userOptions
	views       []*viewOptions
	communities []*communityOptions
	targets     []*targetOptions
}

type userOptions struct {
	_ [0]func() // not comparable: no code to do it

	section, name          string
	auth, priv             string
	authSecret, privSecret config.Secret
	view, role             string
}

type viewOptions struct {
	name             string
	include, exclude []string
	view             view // by check
}

type communityOptions struct {
	section string
	name    config.Secret
	sources []string
	view    string
	from    []netip.Prefix // by check
}

type targetOptions struct {
	_ [0]func()

	section   string
	address   string
	user      string
	community config.Secret
	inform    bool
	timeout   time.Duration
	retries   int
}

// Roles of users. Only operators and administrators may write, and only what is theirs to write.
var roles = []string{"user", "operator", "admin"}

func (o *options) declare(s *config.Section) {
	s.Addrs(&o.listen, "listen", []string{"[::]:161"}, "where managers ask, over UDP: only when there is a user, a community or a target")
	s.Bool(&o.authTraps, "auth_traps", true, "tell the targets of messages that were not authentic, until a manager sets snmpEnableAuthenTraps")
	s.Family("user", "A user of SNMPv3.", o.declareUser)
	s.Family("view", `A part of what there is to see; "standard", without the tables of users and targets, and "all" are there.`, o.declareView)
	s.Family("community", "A community of SNMPv1 and SNMPv2c: readable on the way, so only for networks that nobody else is in.", o.declareCommunity)
	s.Family("target", "A manager that is told of events, by SNMPv3 with a user or by SNMPv2c with a community.", o.declareTarget)
}

func (o *options) declareUser(name string, s *config.Section) {
	u := &userOptions{section: name}
	s.String(&u.name, "name", "", "the user's name, if it is not that of the section")
	s.Enum(&u.auth, "auth", "sha256", usm.AuthNames, "how messages are authenticated")
	s.Secret(&u.authSecret, "auth_secret", "the pass-phrase for that, at least 8 characters; without one the key that was stored is used")
	s.Enum(&u.priv, "priv", "aes128", usm.PrivNames, "how messages are encrypted; aes192c and aes256c are those of Cisco")
	s.Secret(&u.privSecret, "priv_secret", "the pass-phrase for that, if it is another one")
	s.String(&u.view, "view", viewStandard, "what can be seen")
	s.Enum(&u.role, "role", roles[0], roles, "an operator may set what can be set, with authentication and encryption")
	if name == "" {
		return
	}
	o.users = append(o.users, u)
	s.Check(func() error { return o.checkUser(u) })
}

func (o *options) declareView(name string, s *config.Section) {
	v := &viewOptions{name: name}
	s.Strings(&v.include, "include", nil, "object identifiers below which everything can be seen")
	s.Strings(&v.exclude, "exclude", nil, "those below which nothing can be seen; the longer one counts")
	if name == "" {
		return
	}
	o.views = append(o.views, v)
	s.Check(v.check)
}

func (o *options) declareCommunity(name string, s *config.Section) {
	c := &communityOptions{section: name}
	s.Secret(&c.name, "name", "the community's name")
	s.Strings(&c.sources, "sources", nil, `addresses and networks that may use it, such as "192.0.2.0/24"; there is no default`)
	s.String(&c.view, "view", viewStandard, "what can be seen")
	if name == "" {
		return
	}
	o.communities = append(o.communities, c)
	s.Check(func() error { return o.checkCommunity(c) })
}

func (o *options) declareTarget(name string, s *config.Section) {
	t := &targetOptions{section: name}
	s.String(&t.address, "address", "", `where it listens: "192.0.2.7", "nms.example.org:1162"`)
	s.String(&t.user, "user", "", "the section of the user in whose name it is told")
	s.Secret(&t.community, "community", "the community with which it is told, without a user")
	s.Bool(&t.inform, "inform", false, "ask for a confirmation, and repeat until it comes")
	s.Duration(&t.timeout, "timeout", 5*time.Second, "how long a confirmation may take").Between(100*time.Millisecond, time.Minute)
	s.Int(&t.retries, "retries", 5, "how often an inform is repeated").Range(0, 100)
	if name == "" {
		return
	}
	o.targets = append(o.targets, t)
	s.Check(func() error { return o.checkTarget(t) })
}

func (u *userOptions) userName() string {
	if u.name != "" {
		return u.name
	}
	return u.section
}

func (u *userOptions) algorithms() (usm.Auth, usm.Priv) {
	return usm.Auth(slices.Index(usm.AuthNames, u.auth)), usm.Priv(slices.Index(usm.PrivNames, u.priv))
}

// secrets returns both pass-phrases; the first one is empty when the stored keys are to be used.
func (u *userOptions) secrets() (auth, priv string) {
	auth, priv = u.authSecret.Reveal(), u.privSecret.Reveal()
	if priv == "" {
		priv = auth
	}
	return auth, priv
}

func (o *options) checkUser(u *userOptions) error {
	if len(u.userName()) > usm.MaxName {
		return config.Bad("name", "a user's name has at most %d bytes", usm.MaxName)
	}
	for _, other := range o.users {
		if other != u && other.userName() == u.userName() && other.section < u.section {
			return config.Bad("name", "[snmp.user.%s] has the same name", other.section)
		}
	}
	a, p := u.algorithms()
	if p != usm.NoPriv && a == usm.NoAuth {
		return config.Bad("priv", "encryption needs authentication")
	}
	if auth, priv := u.secrets(); auth != "" {
		if err := usm.Check(a, p, auth, priv); err != nil {
			return config.Bad("auth_secret", "%s", err)
		}
	} else if priv != "" {
		return config.Bad("auth_secret", "is missing beside priv_secret")
	}
	if u.role != roles[0] && p == usm.NoPriv {
		return config.Bad("role", "who may write needs authentication and encryption")
	}
	return o.checkView(u.view)
}

func (v *viewOptions) check() error {
	if v.name == viewStandard || v.name == viewAll {
		return errors.New("there is a view of that name already")
	}
	read := func(option string, texts []string) (list []mib.OID, err error) {
		for _, text := range texts {
			oid, err := mib.ParseOID(text)
			if err != nil {
				return nil, config.Bad(option, "%s", err)
			}
			list = append(list, oid)
		}
		return list, nil
	}
	include, err := read("include", v.include)
	if err != nil {
		return err
	}
	exclude, err := read("exclude", v.exclude)
	if err != nil {
		return err
	}
	v.view = newView(include, exclude)
	return nil
}

// view returns the view of that name, nil if there is none.
func (o *options) view(name string) view {
	switch name {
	case viewStandard:
		return standardView
	case viewAll:
		return wholeView
	}
	for _, v := range o.views {
		if v.name == name {
			return v.view
		}
	}
	return nil
}

func (o *options) checkView(name string) error {
	if name == viewStandard || name == viewAll || slices.ContainsFunc(o.views, func(v *viewOptions) bool { return v.name == name }) {
		return nil
	}
	return config.Bad("view", "there is no view %q", name)
}

func (o *options) checkCommunity(c *communityOptions) error {
	switch {
	case c.name.IsZero() || len(c.name.Reveal()) > 255:
		return config.Bad("name", "must have 1 to 255 bytes")
	case len(c.sources) == 0:
		return config.Bad("sources", "must say who may use it")
	}
	c.from = nil
	for _, text := range c.sources {
		p, err := netip.ParsePrefix(text)
		if a, err2 := netip.ParseAddr(text); err2 == nil {
			p, err = netip.PrefixFrom(a.WithZone(""), a.BitLen()), nil
		}
		if a := p.Addr(); a.Is4In6() { // who asks is compared as IPv4; of fewer than 96 bits nothing valid is left
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		if err != nil || !p.IsValid() {
			return config.Bad("sources", "%q is neither an address nor a network", text)
		}
		c.from = append(c.from, p.Masked())
	}
	return o.checkView(c.view)
}

// defaultTrapPort is where managers listen for notifications.
const defaultTrapPort = 162

// hostPort returns the target's address with its port.
func (t *targetOptions) hostPort() (string, error) {
	host, port, err := net.SplitHostPort(t.address)
	if err != nil {
		host, port = strings.Trim(t.address, "[]"), strconv.Itoa(defaultTrapPort)
	}
	if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 || strings.ContainsAny(host, " /") {
		return "", fmt.Errorf("%q is not an address", t.address)
	}
	return net.JoinHostPort(host, port), nil
}

func (o *options) checkTarget(t *targetOptions) error {
	if _, err := t.hostPort(); err != nil {
		return config.Bad("address", "%s", err)
	}
	if (t.user == "") == t.community.IsZero() {
		return config.Bad("user", "either a user or a community must be named")
	}
	if t.user == "" {
		return nil
	}
	for _, u := range o.users {
		if u.section != t.user {
			continue
		}
		if t.inform && u.auth != "none" && u.authSecret.IsZero() {
			return config.Bad("inform", "the user needs a secret here: an inform has the keys of the manager's engine, not of ours")
		}
		return nil
	}
	return config.Bad("user", "there is no [snmp.user.%s]", t.user)
}
