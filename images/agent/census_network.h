/* SPDX-License-Identifier: Apache-2.0 */
/* What there is of the guest's network, for its census; null where it does not tell. */
#ifndef CENSUS_NETWORK_H
#define CENSUS_NETWORK_H

#include <jansson.h>

json_t *interfaces_json(void);
json_t *addresses_json(void);
json_t *qdiscs_json(void);

#endif
