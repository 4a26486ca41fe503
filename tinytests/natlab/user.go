package natlab

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/xdg-go/scram"
)

// User is somebody with an account, logged in from a host. Its methods are for one goroutine.
type User struct {
	conn *tls.Conn
	xml  *xml.Decoder
	ids  int
}

// element is any element; only what the users here look at.
type element struct {
	XMLName  xml.Name
	Type     string    `xml:"type,attr"`
	Host     string    `xml:"host,attr"`
	Port     uint16    `xml:"port,attr"`
	Over     string    `xml:"transport,attr"`
	Username string    `xml:"username,attr"`
	Password string    `xml:"password,attr"`
	Text     string    `xml:",chardata"`
	Kids     []element `xml:",any"`
}

// Login makes the account name at the node and logs in from the host s, over TLS at a place where the node is
// reached.
func (n *Node) Login(s *Space, name string, at netip.AddrPort) *User {
	s.lab.t.Helper()
	n.Ctl("user", "add", name+"@example.org", "-password", "a password of "+name)
	u, err := n.login(s, name, at)
	if err != nil {
		s.lab.t.Fatalf("%s at %v: %v", name, at, err)
	}
	return u
}

func (n *Node) login(s *Space, name string, at netip.AddrPort) (*User, error) {
	ca, err := os.ReadFile(filepath.Join(n.dir, "data", "local-ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	tcp, err := s.TCP(at)
	if err != nil {
		return nil, err
	}
	u := &User{conn: tls.Client(tcp, &tls.Config{RootCAs: roots, ServerName: "example.org", NextProtos: []string{"xmpp-client"}})}
	_ = u.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if err := u.open(); err != nil {
		return nil, err
	}
	if err := u.authenticate(name, "a password of "+name); err != nil {
		return nil, err
	}
	if err := u.open(); err != nil {
		return nil, err
	}
	_, err = u.Ask("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
	return u, err
}

func (u *User) send(text string) error {
	_, err := io.WriteString(u.conn, text)
	return err
}

// open begins a stream and takes the features that are offered.
func (u *User) open() error {
	u.xml = xml.NewDecoder(u.conn)
	err := u.send("<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
	if err != nil {
		return err
	}
	for {
		token, err := u.xml.Token()
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "stream" {
			break
		}
	}
	_, err = u.next()
	return err
}

// next takes the next element of the stream.
func (u *User) next() (e element, err error) {
	return e, u.xml.Decode(&e)
}

func (u *User) authenticate(name, password string) error {
	client, err := scram.SHA256.NewClient(name, password, "")
	if err != nil {
		return err
	}
	talk := client.NewConversation()
	first, err := talk.Step("")
	if err != nil {
		return err
	}
	err = u.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>" + base64.StdEncoding.EncodeToString([]byte(first)) + "</auth>")
	for err == nil {
		var e element
		if e, err = u.next(); err != nil {
			break
		}
		text, derr := base64.StdEncoding.DecodeString(e.Text)
		if e.XMLName.Local == "failure" || derr != nil {
			return fmt.Errorf("login refused: %+v", e)
		}
		answer, serr := talk.Step(string(text))
		if serr != nil {
			return serr
		}
		if e.XMLName.Local == "success" {
			return nil
		}
		err = u.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + base64.StdEncoding.EncodeToString([]byte(answer)) + "</response>")
	}
	return err
}

// Ask sends a request to the server and takes its answer; other stanzas are passed over.
func (u *User) Ask(kind, payload string) (element, error) {
	u.ids++
	if err := u.send(fmt.Sprintf("<iq type='%s' id='q%d' to='example.org'>%s</iq>", kind, u.ids, payload)); err != nil {
		return element{}, err
	}
	for {
		e, err := u.next()
		if err != nil {
			return e, err
		}
		if e.XMLName.Local == "iq" && e.Type == "error" {
			return e, fmt.Errorf("refused: %+v", e)
		}
		if e.XMLName.Local == "iq" && e.Type == "result" && len(e.Kids) > 0 {
			return e.Kids[0], nil
		}
	}
}

// Relay is a TURN server with a user's credentials for it, and the STUN server beside it.
type Relay struct {
	At, Stun           netip.AddrPort
	Username, Password string
}

// Services asks for TURN over UDP: External Service Discovery, XEP-0215.
func (u *User) Services() (r Relay, err error) {
	e, err := u.Ask("get", "<services xmlns='urn:xmpp:extdisco:2'/>")
	if err != nil {
		return r, err
	}
	for _, s := range e.Kids {
		host, herr := netip.ParseAddr(s.Host)
		if herr != nil || !host.Is4() || s.Over != "udp" {
			continue
		}
		switch at := netip.AddrPortFrom(host, s.Port); s.Type {
		case "stun":
			r.Stun = at
		case "turn":
			r.At, r.Username, r.Password = at, s.Username, s.Password
		}
	}
	if !r.At.IsValid() || !r.Stun.IsValid() || r.Password == "" {
		return r, errors.New("no TURN or STUN over UDP is offered, or no credentials")
	}
	return r, nil
}

// Close logs out.
func (u *User) Close() { _ = u.conn.Close() }
