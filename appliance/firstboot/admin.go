package firstboot

import (
	"context"
	"errors"
	"fmt"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/table"
)

var keyAdmin = []byte("admin")

// Admin is the first administrator.
type Admin struct {
	JID      jid.JID // zero when the device has been given to others
	Password string  // when it was made just now: the only time that anybody knows it
}

// FirstAdmin makes an administrator on a device that has no accounts: the first of wanted whose domain is
// served, otherwise admin@ the main domain, with a password drawn at random. On a device that has accounts it
// finds the one that it made, as long as it is there.
func FirstAdmin(ctx context.Context, s *store.Store, site *table.Table, accounts *account.Accounts, wanted []string) (Admin, error) {
	if accounts.Count() > 0 {
		return madeBefore(s, site, accounts)
	}
	admin := Admin{Password: account.Password()}
	for _, text := range wanted {
		if j, err := jid.Parse(text); err == nil && accounts.IsHost(j.Domain()) {
			admin.JID = j
			break
		}
	}
	if admin.JID.IsZero() {
		var err error
		if admin.JID, err = jid.New("admin", accounts.Hosts()[0], ""); err != nil {
			return Admin{}, err
		}
	}
	// The note comes first: a crash in between leaves a device without accounts, which begins again.
	var b store.Batch
	b.Put(site, keyAdmin, []byte(admin.JID.String()))
	if err := s.Apply(ctx, &b); err != nil {
		return Admin{}, err
	}
	_, err := accounts.Create(ctx, account.NewAccount{JID: admin.JID, Password: admin.Password, Role: account.Admin})
	if err != nil && !errors.Is(err, account.ErrExists) {
		return Admin{}, fmt.Errorf("the first administrator cannot be made: %w", err)
	}
	return admin, nil
}

func madeBefore(s *store.Store, site *table.Table, accounts *account.Accounts) (Admin, error) {
	var text string
	if err := s.View(func(tx *store.Tx) error {
		value, _ := tx.Get(site, keyAdmin)
		text = string(value)
		return nil
	}); err != nil {
		return Admin{}, err
	}
	j, err := jid.Parse(text)
	if err != nil { // none was noted: the accounts came from elsewhere
		return Admin{}, nil
	}
	if there, err := accounts.Exists(j); err != nil || !there {
		return Admin{}, err
	}
	return Admin{JID: j}, nil
}
