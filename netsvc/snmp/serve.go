package snmp

import (
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/wire/ber"
)

// result is how an answer's PDU ends up: its variable bindings stand in the desk's buffer.
type result struct {
	status    mib.Status
	index     int
	malformed bool // the bindings cannot be read: there is no answer
}

var malformed = result{malformed: true}

func failed(status mib.Status, index int) result { return result{status: status, index: index} }

// serve does what a PDU asks for. The variable bindings of the answer take at most room bytes. The writer it
// returns stands in front of them.
func (d *desk) serve(m *message, who *principal, room int) (writer, result) {
	r := &d.request
	r.V1, r.User = m.version == version1, who.name
	w := writer{b: d.out[:], at: headroom, end: headroom}
	room = min(room, maxMessage)
	var res result
	if who.level&^m.flags != 0 {
		res = failed(mib.AuthorizationError, 0)
	} else {
		switch m.pdu.tag {
		case tagGet:
			w.end, res = d.get(who.tree, m.pdu.binds, room, false)
		case tagGetNext:
			w.end, res = d.get(who.tree, m.pdu.binds, room, true)
		case tagGetBulk:
			w.end, res = d.bulk(who.tree, &m.pdu, room)
		case tagSet:
			if len(m.pdu.binds) > room {
				res = failed(mib.TooBig, 0) // what cannot be confirmed is not done
			} else {
				res = d.set(who, m.pdu.binds)
			}
		}
	}
	if res.malformed || res.status == mib.NoError && m.pdu.tag != tagSet {
		return w, res
	}
	if r.V1 {
		res.status = res.status.V1()
	}
	w.end = headroom
	if !wellFormed(m.pdu.binds) {
		return w, malformed
	}
	// An error is told with the bindings as they came, one of size without any, but for version 1.
	if (res.status != mib.TooBig || r.V1) && len(m.pdu.binds) <= room {
		w.end += copy(d.out[headroom:], m.pdu.binds)
	} else {
		res = failed(mib.TooBig, 0)
	}
	return w, res
}

// wellFormed tells whether a list can be read as far as it must be to be sent back.
func wellFormed(binds []byte) bool {
	var err error
	for len(binds) > 0 && err == nil {
		_, _, _, binds, err = nextBind(binds)
	}
	return err == nil
}

// get answers GET and GETNEXT.
func (d *desk) get(tree *mib.Tree, binds []byte, room int, next bool) (end int, res result) {
	out := d.out[:headroom]
	limit := headroom + room
	for i := 1; len(binds) > 0; i++ {
		content, _, _, rest, err := nextBind(binds)
		if err != nil {
			return headroom, malformed
		}
		binds = rest
		if d.name, err = ber.AppendParts(d.name[:0], content); err != nil {
			return headroom, malformed
		}
		var v mib.Value
		name := d.name
		if next {
			name, v = tree.Next(&d.request, d.name, d.next)
			d.next = name[:0]
		} else {
			v = tree.Get(&d.request, d.name)
		}
		if d.request.V1 && (v.Kind().Exception() || v.Kind() == mib.Counter64) {
			return headroom, failed(mib.NoSuchName, i)
		}
		size := len(content)
		if next {
			size = ber.SizeParts(name)
		}
		body := ber.SizeElement(size) + v.Size()
		if len(out)+ber.SizeElement(body) > limit {
			return headroom, failed(mib.TooBig, 0)
		}
		out = ber.AppendHeader(ber.AppendHeader(out, ber.Sequence, body), ber.ObjectID, size)
		if next {
			out = ber.AppendPartsContent(out, name)
		} else {
			out = append(out, content...)
		}
		out = v.Append(out)
	}
	return len(out), result{}
}

// bulk answers GETBULK (RFC 3416 section 4.2.3): as much as fits.
func (d *desk) bulk(tree *mib.Tree, p *pdu, room int) (end int, res result) {
	out := d.out[:headroom]
	limit := headroom + room
	single, repeat := max(p.a, 0), max(p.b, 0)
	last, this := 0, 1
	d.names[last], d.ends[last] = d.names[last][:0], d.ends[last][:0]
	full := false
	add := func(name mib.OID) (mib.OID, bool) {
		next, v := tree.Next(&d.request, name, d.next)
		d.next = next[:0]
		size := ber.SizeParts(next)
		body := ber.SizeElement(size) + v.Size()
		if full = len(out)+ber.SizeElement(body) > limit; full {
			return next, true
		}
		out = ber.AppendHeader(ber.AppendHeader(out, ber.Sequence, body), ber.ObjectID, size)
		out = v.Append(ber.AppendPartsContent(out, next))
		return next, v.Kind() == mib.EndOfMIBView
	}
	// All names are read before anything is answered: one that is malformed fails the whole.
	for binds := p.binds; len(binds) > 0; {
		content, _, _, rest, err := nextBind(binds)
		if err != nil {
			return headroom, malformed
		}
		binds = rest
		if d.names[last], err = ber.AppendParts(d.names[last], content); err != nil {
			return headroom, malformed
		}
		d.ends[last] = append(d.ends[last], uint32(len(d.names[last])))
	}
	start := uint32(0)
	for i, end := range d.ends[last] {
		if i == int(single) || full {
			break
		}
		add(d.names[last][start:end])
		start = end
	}
	if d.ends[last] = d.ends[last][min(int(single), len(d.ends[last])):]; len(d.ends[last]) == 0 || full {
		return len(out), result{}
	}
	for ; repeat > 0 && !full; repeat-- {
		d.names[this], d.ends[this] = d.names[this][:0], d.ends[this][:0]
		over := true
		for _, end := range d.ends[last] {
			next, ended := add(d.names[last][start:end])
			if full {
				break
			}
			over = over && ended
			start = end
			d.names[this] = append(d.names[this], next...)
			d.ends[this] = append(d.ends[this], uint32(len(d.names[this])))
		}
		if over {
			break
		}
		last, this, start = this, last, 0
	}
	return len(out), result{}
}

// set answers SET in two phases: nothing is changed before everything was tested, and what cannot be finished is
// undone (RFC 3416 section 4.2.5).
func (d *desk) set(who *principal, binds []byte) result {
	if !who.write {
		if who.user == nil {
			d.agent.stats.inc(badCommunityUses)
		}
		return failed(mib.AuthorizationError, 0)
	}
	d.agent.changing.Lock()
	defer d.agent.changing.Unlock()
	defer func() { clear(d.changes[:cap(d.changes)]) }()
	d.changes = d.changes[:0]
	for i := 1; len(binds) > 0; i++ {
		content, tag, value, rest, err := nextBind(binds)
		if err != nil {
			return malformed
		}
		binds = rest
		if d.name, err = ber.AppendParts(d.name[:0], content); err != nil {
			return malformed
		}
		v, err := mib.ReadValue(tag, value)
		if err != nil {
			return failed(mib.WrongEncoding, i)
		}
		change, status := who.tree.Test(&d.request, d.name, v)
		if status != mib.NoError {
			return failed(status, i)
		}
		d.changes = append(d.changes, change)
	}
	for i, c := range d.changes {
		if c.Commit == nil {
			continue
		}
		if err := c.Commit(); err != nil {
			d.agent.log.Warn("change by SNMP failed", "who", who.name, "cause", err)
			return d.undo(i)
		}
	}
	return result{}
}

// undo takes back the changes before the i-th, the last one first.
func (d *desk) undo(i int) result {
	res := failed(mib.CommitFailed, i+1)
	for i--; i >= 0; i-- {
		if undo := d.changes[i].Undo; undo != nil {
			if err := undo(); err != nil {
				d.agent.log.Error("change by SNMP could not be undone", "cause", err)
				res = failed(mib.UndoFailed, 0)
			}
		}
	}
	return res
}
