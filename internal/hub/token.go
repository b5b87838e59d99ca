package hub

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/perdure/perdure/internal/history"
)

// tokenVersion begins every continuation token; what follows it may change with
// it, so that a token of another version is refused and not misread.
const tokenVersion = 1

// ContinuationToken writes [Page.Next] for callers, who must not look inside:
// base64url without padding. The last page has the empty token.
//
//	version(u8) | number(u64, big endian)
func ContinuationToken(next history.Number) string {
	if next == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64([]byte{tokenVersion}, uint64(next)))
}

// ParseContinuationToken returns the [Query.Before] that asks for the next
// page. It reads exactly what [ContinuationToken] writes; anything else is
// [ErrInvalidArgument].
func ParseContinuationToken(token string) (history.Number, error) {
	if token == "" {
		return 0, nil
	}
	var next history.Number
	if text, err := base64.RawURLEncoding.DecodeString(token); err == nil && len(text) == 9 {
		next = history.Number(binary.BigEndian.Uint64(text[1:]))
	}
	// Writing it anew also catches another version, 0, loose bits at the end
	// and line breaks, which the decoder skips.
	if ContinuationToken(next) != token {
		return 0, fmt.Errorf("%w: continuation token %.64q is not one of this server's; begin with the first page", ErrInvalidArgument, token)
	}
	return next, nil
}
