// SPDX-License-Identifier: Apache-2.0
// Whether this build looks at every memory access: bounds on time are for builds as users run them.
#pragma once

namespace strop::testing {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace strop::testing
