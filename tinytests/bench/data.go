package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// start starts a server on a fresh copy of its prepared data with at least that many accounts.
func (b *bench) start(s server, accounts int, archive bool) (*process, string, error) {
	prepared, err := b.prepared(s, accounts)
	if err != nil {
		return nil, "", err
	}
	b.copies++
	data := filepath.Join(b.place, fmt.Sprintf("%s-%d", s.name(), b.copies))
	if err := copyTree(prepared, data); err != nil {
		return nil, "", err
	}
	p, err := b.startIn(s, data, archive)
	if err != nil {
		return nil, "", err
	}
	p.data = data
	return p, data, nil
}

// end stops a server and removes the copy of the data that was made for it.
func (b *bench) end(p *process) {
	if err := p.stop(); err != nil {
		say("%v", err)
	}
	b.logTail = p.tail()
	if p.data != "" {
		os.RemoveAll(p.data)
	}
}

// startIn starts a server on a data directory as it is.
func (b *bench) startIn(s server, data string, archive bool) (*process, error) {
	cmd, at, err := s.command(b.place, data, archive)
	if err != nil {
		return nil, err
	}
	p, err := startProcess(s.name(), cmd, at, filepath.Join(data, "output.log"), b.serverCore)
	if err == nil {
		b.running.Store(p)
	}
	return p, err
}

// prepared returns a data directory with the accounts, made once.
func (b *bench) prepared(s server, accounts int) (string, error) {
	name := fmt.Sprintf("%s-accounts-%d", s.name(), accounts)
	if data, ok := b.preparedData[name]; ok {
		return data, nil
	}
	data := filepath.Join(b.place, name)
	if err := os.Mkdir(data, 0o755); err != nil {
		return "", err
	}
	if err := s.prepare(b.place, data, accounts); err != nil {
		os.RemoveAll(data) // the next run tries again, and fails with the same message
		return "", err
	}
	b.preparedData[name] = data
	return data, nil
}
