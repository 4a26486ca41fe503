package snmp

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
	"linnet/store"
)

var errNoKey = errors.New("there is neither a secret in the configuration nor a stored key")

// newAccess makes who may ask for what of the options, with the keys of all users. What cannot be made is left out
// and logged: one user without a key does not keep the others out.
func (s *service) newAccess() *access {
	o, log := &s.options, s.host.Log()
	tree, err := mib.NewTree(s.groups...)
	if err != nil {
		log.Error("objects left out", "cause", err)
	}
	made := &access{users: make(map[string]*principal), tree: tree}
	seen := func(name string) *mib.Tree { return tree.Restrict(o.view(name)) }
	for _, u := range o.users {
		if s.agent.running.Err() != nil {
			break // nobody will be served any more
		}
		who, err := s.newUser(u)
		if err != nil {
			log.Error("user of SNMP left out", "name", u.section, "cause", err)
			continue
		}
		p := &principal{name: u.userName(), tree: seen(u.view), write: u.role != roles[0], user: who}
		if who.Auth != usm.NoAuth {
			p.level |= flagAuth
		}
		if who.Priv != usm.NoPriv {
			p.level |= flagPriv
		}
		made.users[p.name] = p
	}
	for _, c := range o.communities {
		made.communities = append(made.communities, &principal{name: c.section, tree: seen(c.view), community: []byte(c.name.Reveal()), sources: c.from})
	}
	for _, o := range o.targets {
		t := &target{agent: s.agent, name: o.section, inform: o.inform, timeout: o.timeout, retries: o.retries, running: s.agent.running}
		t.address, _ = o.hostPort() // checked
		if o.user == "" {
			t.community = []byte(o.community.Reveal())
		} else if !s.named(t, o.user, made) {
			log.Error("target of SNMP left out: it has no user", "name", o.section)
			continue
		}
		made.targets = append(made.targets, t)
	}
	return made
}

// named makes a target be told in the name of a user.
func (s *service) named(t *target, section string, made *access) bool {
	for _, u := range s.options.users {
		if p := made.users[u.userName()]; u.section == section && p != nil {
			t.user, t.flags, t.secrets = p.user, p.level, u.secrets
			return true
		}
	}
	return false
}

// newUser makes a user for our own engine.
func (s *service) newUser(u *userOptions) (*usm.User, error) {
	a, p := u.algorithms()
	keys, err := s.keys(u, a, p)
	if err != nil {
		return nil, err
	}
	return usm.NewUser(u.userName(), a, p, keys)
}

// keys returns a user's keys: those in the database when they belong to his pass-phrases, or when he has none;
// otherwise they are made and kept there.
func (s *service) keys(u *userOptions, a usm.Auth, p usm.Priv) (usm.Keys, error) {
	if a == usm.NoAuth {
		return usm.Keys{}, nil
	}
	engine := s.agent.engine.Load().id
	row := rowKeys + string(engine) + "/" + u.userName()
	var kept []byte
	if err := s.host.Store().View(func(tx *store.Tx) error {
		kept, _ = tx.Get(s.table, []byte(row))
		return nil
	}); err != nil {
		return usm.Keys{}, err
	}
	auth, priv := u.secrets()
	var mark []byte
	if auth != "" {
		var err error
		if mark, err = fingerprint(a, p, auth, priv, engine); err != nil {
			return usm.Keys{}, err
		}
	}
	if keys, ok := readKeys(kept, mark); ok && keys.Fit(a, p) {
		return keys, nil
	}
	if auth == "" {
		return usm.Keys{}, errNoKey
	}
	start := time.Now()
	keys, err := usm.Localize(a, p, auth, priv, engine)
	if err != nil {
		return usm.Keys{}, err
	}
	s.host.Log().Info("keys made", "name", u.section, "took", time.Since(start))
	if err := keep(s.host, s.table, row, appendKeys(nil, mark, keys)); err != nil {
		s.host.Log().Warn("keys could not be kept, they will be made again", "name", u.section, "cause", err)
	}
	return keys, nil
}

// fingerprint tells whether keys were made of these pass-phrases. It is slow, so that who steals it learns nothing
// faster than from the keys beside it.
func fingerprint(a usm.Auth, p usm.Priv, auth, priv string, engine []byte) ([]byte, error) {
	text := string([]byte{byte(a), byte(p)}) + string(binary.AppendUvarint(nil, uint64(len(auth)))) + auth + priv
	return pbkdf2.Key(sha256.New, text, engine, 4096, sha256.Size)
}

// appendKeys writes keys as they are kept: the fingerprint, how long the first key is, both keys.
func appendKeys(dst, mark []byte, keys usm.Keys) []byte {
	dst = append(dst, mark...)
	dst = append(dst, byte(len(keys.Auth)))
	return append(append(dst, keys.Auth...), keys.Priv...)
}

// readKeys reads them; mark is nil when any will do.
func readKeys(b, mark []byte) (usm.Keys, bool) {
	if len(b) < sha256.Size+1 || mark != nil && !bytes.Equal(b[:sha256.Size], mark) {
		return usm.Keys{}, false
	}
	n := int(b[sha256.Size])
	if b = b[sha256.Size+1:]; n > len(b) {
		return usm.Keys{}, false
	}
	return usm.Keys{Auth: b[:n], Priv: b[n:]}, true
}
