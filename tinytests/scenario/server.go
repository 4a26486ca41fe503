package scenario

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"time"
)

// Server is what a scenario runs against.
type Server interface {
	// Domain is the XMPP domain that stands for localhost in the scripts.
	Domain() string
	// Dial opens a transport: "starttls", "tls" (the handshake is the caller's) or "plain".
	Dial(over string) (net.Conn, error)
	// AddAccount makes an account that is not there, RemoveAccount undoes it.
	AddAccount(local, password string) error
	RemoveAccount(local, password string) error
	// Ctl runs an administrator's command and returns its output.
	Ctl(args ...string) (string, error)
	// Restart stops the server in an orderly way and starts it again on the same data; Kill does so without warning.
	Restart() error
	Kill() error
	// Wait lets time pass and everything in progress come to rest.
	Wait(d time.Duration) error
	// Patience is how long to wait for an answer, Quiet how long silence has to last.
	Patience() time.Duration
	Quiet() time.Duration
}

// errCannot marks what a server of this kind cannot do: the scenario is skipped, not failed.
var errCannot = errors.New("not possible with this server")

// Live is any server that is already running, reached over the network as its users reach it.
type Live struct {
	Host      string // name of the domain
	Addr      string // host:port of the port with STARTTLS
	TLSAddr   string // host:port of direct TLS, "" when there is none
	PlainAddr string // host:port of a port without TLS, "" to use Addr
	CtlBinary string // a program that takes the arguments of ctl lines, "" when there is none
}

// Domain implements Server.
func (l *Live) Domain() string { return l.Host }

// Dial implements Server.
func (l *Live) Dial(over string) (net.Conn, error) {
	addr := l.Addr
	switch over {
	case "tls":
		if l.TLSAddr == "" {
			return nil, errCannot
		}
		addr = l.TLSAddr
	case "plain":
		if l.PlainAddr != "" {
			addr = l.PlainAddr
		}
	}
	return net.DialTimeout("tcp", addr, 10*time.Second)
}

// AddAccount registers in-band (XEP-0077), as the server's users would. An account that an aborted run left behind
// is removed first.
func (l *Live) AddAccount(local, password string) error {
	l.RemoveAccount(local, password)
	conn, err := l.Dial("starttls")
	if err != nil {
		return err
	}
	defer conn.Close()
	return register(conn, l.Host, local, password)
}

// RemoveAccount implements Server.
func (l *Live) RemoveAccount(local, password string) error {
	conn, err := l.Dial("starttls")
	if err != nil {
		return err
	}
	defer conn.Close()
	return unregister(conn, l.Host, local, password)
}

// Ctl implements Server.
func (l *Live) Ctl(args ...string) (string, error) {
	if l.CtlBinary == "" {
		return "", errCannot
	}
	var out bytes.Buffer
	cmd := exec.Command(l.CtlBinary, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = os.Environ()
	err := cmd.Run()
	return out.String(), err
}

// Restart implements Server: somebody else runs this one.
func (l *Live) Restart() error { return errCannot }

// Kill implements Server.
func (l *Live) Kill() error { return errCannot }

// Wait implements Server. Nobody wants to wait minutes for a test.
func (l *Live) Wait(d time.Duration) error {
	if d > 3*time.Second {
		return errCannot
	}
	time.Sleep(d)
	return nil
}

// Patience implements Server.
func (l *Live) Patience() time.Duration { return 5 * time.Second }

// Quiet implements Server.
func (l *Live) Quiet() time.Duration { return 300 * time.Millisecond }

// register makes an account in-band on a fresh connection.
func register(conn net.Conn, domain, local, password string) error {
	const limit = 10 * time.Second
	c := newClient("-", domain, conn)
	features, err := c.open(limit)
	if err != nil {
		return err
	}
	if features.Kid(nsTLS, "starttls") != nil {
		c.send("<starttls xmlns='" + nsTLS + "'/>")
		if _, err := c.take(limit, nsTLS, "proceed"); err != nil {
			return err
		}
		if err := c.startTLS(); err != nil {
			return err
		}
		if _, err = c.open(limit); err != nil {
			return err
		}
	}
	c.send("<iq type='set' id='reg' to='" + domain + "'><query xmlns='jabber:iq:register'><username>" + local + "</username><password>" + password + "</password></query></iq>")
	answer, err := c.take(limit, nsClient, "iq")
	if err != nil {
		return err
	}
	if answer.Attr("type") != "result" {
		return errors.New("registering " + local + ": " + answer.String())
	}
	return nil
}

// unregister removes an account in-band.
func unregister(conn net.Conn, domain, local, password string) error {
	const limit = 10 * time.Second
	c := newClient("-", domain, conn)
	if err := c.login(login{local: local, password: password, over: "starttls", limit: limit}); err != nil {
		return err
	}
	c.send("<iq type='set' id='unreg'><query xmlns='jabber:iq:register'><remove/></query></iq>")
	for {
		answer, err := c.next(limit)
		if err != nil {
			return err
		}
		if answer.Attr("id") == "unreg" || answer.is(nsStream, "error") {
			return nil
		}
	}
}
