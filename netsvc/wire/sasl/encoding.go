package sasl

import "encoding/base64"

// DecodeInitial reads the text of an XMPP auth element: nothing is no initial
// response (nil), "=" is an empty one (RFC 6120 section 6.4.2). The error is
// an *Error with incorrect-encoding.
func DecodeInitial(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	return Decode(text)
}

// Decode reads the text of a response element; neither nothing nor "=" is nil.
// The base64 must be of the standard alphabet, with padding and without white
// space (RFC 6120 section 13.9.1 wants strictness).
func Decode(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	if len(text) > base64.StdEncoding.EncodedLen(MaxMessage) {
		return nil, fail(MalformedRequest, "too long")
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || !oneLine(text) {
		return nil, wrap(IncorrectEncoding, err)
	}
	return data, nil
}

// Encode writes the text of a challenge or success element. An empty challenge
// is an empty element: clients know that better than a "=".
func Encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
