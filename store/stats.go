package store

import "io"

// Backup writes a copy of linnet.db, as it is now, to w while the store goes on.
func (s *Store) Backup(w io.Writer) error {
	s.main.dbMu.RLock()
	defer s.main.dbMu.RUnlock()
	if s.main.db == nil {
		return ErrClosed
	}
	tx, err := s.main.db.Begin(false)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.WriteTo(w)
	return err
}
