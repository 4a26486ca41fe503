package scenario

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xdg-go/scram"
)

// login says how a client gets onto the server.
type login struct {
	local, domain, resource string
	password                string
	mechanism               string // "" takes the best that is offered
	over                    string // starttls, tls or plain
	noBind                  bool
	limit                   time.Duration
}

// refused is a login that the server answered with an error condition.
type refused string

func (r refused) Error() string { return "refused: " + string(r) }

// header is what opens a stream.
func header(domain string) string {
	return "<?xml version='1.0'?><stream:stream to='" + domain + "' version='1.0' xmlns='" + nsClient + "' xmlns:stream='" + nsStream + "'>"
}

// open sends a header and takes the answer's header and features.
func (c *client) open(limit time.Duration) (*Element, error) {
	if err := c.send(header(c.domain)); err != nil {
		return nil, err
	}
	if _, err := c.take(limit, nsStream, "stream"); err != nil {
		return nil, err
	}
	return c.take(limit, nsStream, "features")
}

// take receives an element that must have that name; an error element becomes refused.
func (c *client) take(limit time.Duration, space, local string) (*Element, error) {
	e, err := c.next(limit)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w, instead of <%s>", err, local)
	case e.is(space, local):
		return e, nil
	case e.is(nsSASL, "failure") || e.is(nsStream, "error"):
		return nil, refused(condition(e))
	case e.Attr("type") == "error":
		return nil, refused(condition(e.Kid(nsClient, "error")))
	}
	return nil, fmt.Errorf("got %s instead of <%s>", e, local)
}

func condition(e *Element) string {
	if e == nil || len(e.Kids) == 0 {
		return "no condition"
	}
	return e.Kids[0].Name.Local
}

// login runs the negotiation up to a bound session, or up to authentication where asked.
func (c *client) login(l login) error {
	features, err := c.open(l.limit)
	if err != nil {
		return err
	}
	if l.over == "starttls" && features.Kid(nsTLS, "starttls") != nil {
		if err := c.send("<starttls xmlns='" + nsTLS + "'/>"); err != nil {
			return err
		}
		if _, err := c.take(l.limit, nsTLS, "proceed"); err != nil {
			return err
		}
		if err := c.startTLS(); err != nil {
			return err
		}
		if features, err = c.open(l.limit); err != nil {
			return err
		}
	}
	if err := c.authenticate(l, features); err != nil {
		return err
	}
	if features, err = c.open(l.limit); err != nil {
		return err
	}
	if l.noBind {
		c.putBack([]*Element{features})
		return nil
	}
	return c.bind(l)
}

func (c *client) bind(l login) error {
	resource := ""
	if l.resource != "" {
		resource = "<resource>" + l.resource + "</resource>"
	}
	if err := c.send("<iq type='set' id='bind'><bind xmlns='" + nsBind + "'>" + resource + "</bind></iq>"); err != nil {
		return err
	}
	answer, err := c.take(l.limit, nsClient, "iq")
	if err != nil {
		return err
	}
	if answer.Attr("type") == "error" {
		return refused(condition(answer.Kid(nsClient, "error")))
	}
	jid := answer.Kid(nsBind, "bind").Kid(nsBind, "jid")
	if jid == nil {
		return fmt.Errorf("bind result without an address: %s", answer)
	}
	c.jid = jid.Text
	c.polite = true
	return nil
}

// preferred lists the mechanisms a client would take, best first; without channel binding unless asked for, so
// that scenarios test that where they mean to.
var preferred = []string{"SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-1", "PLAIN"}

func (c *client) authenticate(l login, features *Element) error {
	var offered []string
	if m := features.Kid(nsSASL, "mechanisms"); m != nil {
		for _, k := range m.Kids {
			offered = append(offered, strings.TrimSpace(k.Text))
		}
	}
	mechanism := l.mechanism
	if mechanism == "" {
		i := slices.IndexFunc(preferred, func(m string) bool { return slices.Contains(offered, m) })
		if i < 0 {
			return fmt.Errorf("none of the offered mechanisms can be used: %v", offered)
		}
		mechanism = preferred[i]
	} else if !slices.Contains(offered, mechanism) {
		return refused("not offered")
	}
	if mechanism == "PLAIN" {
		initial := base64.StdEncoding.EncodeToString([]byte("\x00" + l.local + "\x00" + l.password))
		if err := c.send("<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>" + initial + "</auth>"); err != nil {
			return err
		}
		_, err := c.take(l.limit, nsSASL, "success")
		return err
	}
	return c.scram(l, mechanism)
}

func (c *client) scram(l login, mechanism string) error {
	name, plus := strings.CutSuffix(mechanism, "-PLUS")
	hash, ok := map[string]scram.HashGeneratorFcn{"SCRAM-SHA-1": scram.SHA1, "SCRAM-SHA-256": scram.SHA256, "SCRAM-SHA-512": scram.SHA512}[name]
	if !ok {
		return fmt.Errorf("this client does not know %s", mechanism)
	}
	user, err := hash.NewClient(l.local, l.password, "")
	if err != nil {
		return err
	}
	talk := user.NewConversation()
	if plus {
		layer, ok := c.conn.(*tls.Conn)
		if !ok {
			return fmt.Errorf("%s needs TLS", mechanism)
		}
		state := layer.ConnectionState()
		binding, err := scram.NewTLSExporterBinding(&state)
		if err != nil {
			return err
		}
		talk = user.NewConversationWithChannelBinding(binding)
	}
	text, err := talk.Step("")
	if err != nil {
		return err
	}
	out := "<auth xmlns='" + nsSASL + "' mechanism='" + mechanism + "'>%s</auth>"
	for {
		if err := c.send(fmt.Sprintf(out, base64.StdEncoding.EncodeToString([]byte(text)))); err != nil {
			return err
		}
		out = "<response xmlns='" + nsSASL + "'>%s</response>"
		answer, err := c.next(l.limit)
		if err != nil {
			return fmt.Errorf("%w during %s", err, mechanism)
		}
		if !answer.is(nsSASL, "challenge") && !answer.is(nsSASL, "success") {
			if answer.is(nsSASL, "failure") || answer.is(nsStream, "error") {
				return refused(condition(answer))
			}
			return fmt.Errorf("got %s during %s", answer, mechanism)
		}
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(answer.Text))
		if err != nil {
			return err
		}
		if text, err = talk.Step(string(challenge)); err != nil {
			return fmt.Errorf("%s: the server's message does not fit: %w", mechanism, err)
		}
		if answer.is(nsSASL, "success") {
			if !talk.Valid() {
				return fmt.Errorf("%s: the server did not prove that it knows the password", mechanism)
			}
			return nil
		}
	}
}
