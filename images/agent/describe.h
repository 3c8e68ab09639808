/* SPDX-License-Identifier: Apache-2.0 */
/* What replies tell of programs and maps. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include <bpf/libbpf.h>
#include <jansson.h>

/* {"name", "type"}. */
json_t *describe_program(const struct bpf_program *program);

/* {"name", "type", "key_size", "value_size", "max_entries"}. */
json_t *describe_map(const struct bpf_map *map);

#endif
