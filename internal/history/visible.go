package history

import "unicode"

// Visible reports whether a person sees r as it is: it is no control character,
// changes no direction of writing, and does not hide. What is shown of others,
// and ids, hold no other characters.
func Visible(r rune) bool {
	switch {
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Zl, unicode.Zp),
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector),
		r == '\u2800': // a Braille pattern without dots
		return false
	}
	return true
}
