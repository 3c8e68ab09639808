# How programs of this project are built; an including Makefile sets
#
#   PROGRAM    what its sources and common's make
#   BUILD      where to, unless the command line tells
#   WRAPPED    functions that it stands in for, where libbpf calls them
#   OPTIONS    its own options of the compiler, besides those here
#   CHECK      with what argument it is run once it is linked, to fail if it is of no use
#   STATIC     on the command line: how it is linked, -static-pie unless told
#   LIBBPF     on the command line: a folder with the libbpf to use in place of the
#              machine's: lib/libbpf.a, include/, and private/ with relo_core.h when
#              its source is known
#
# and may be asked for `static`, or for `asan`: PROGRAM-asan, under AddressSanitizer, for
# the tests. The same sources and packages give the same bytes, wherever and whenever
# built.

CC = gcc
STATIC = -static-pie
CFLAGS = -std=c11 -O2 -g0 -Wall -Wextra -Werror -Wshadow -Wvla -Wformat=2 \
	-Wmissing-prototypes -Wstrict-prototypes -D_GNU_SOURCE -I../common \
	-fstack-protector-strong -ffile-prefix-map=$(CURDIR)=. -fPIE -MMD -MP $(OPTIONS)
SANITIZE = -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
ifdef LIBBPF
CFLAGS += -isystem $(LIBBPF)/include -isystem $(LIBBPF)/private
LIBRARIES = -L$(LIBBPF)/lib
endif
# Debian 13's libelf.a unpacks zstd; Debian 12's does not, and has no libzstd.a by it.
ZSTD := $(shell nm -u "$$($(CC) -print-file-name=libelf.a)" 2>/dev/null | grep -q ZSTD_ && echo -lzstd)
WRAP = $(WRAPPED:%=-Wl,--wrap=%)
RULES = Makefile ../common/rules.mk

SOURCES = $(sort $(notdir $(wildcard *.c ../common/*.c)))
OBJECTS = $(SOURCES:%.c=$(BUILD)/static/%.o)
ASAN_OBJECTS = $(SOURCES:%.c=$(BUILD)/asan/%.o)
vpath %.c ../common

.PHONY: $(PROGRAM) static asan clean
$(PROGRAM): static
static: $(BUILD)/$(PROGRAM)
asan: $(BUILD)/$(PROGRAM)-asan

# libbpf.a holds the functions that its shared library hides. A static-pie is relocated
# above 4 GiB, for kernels before 4.7 keep a lower thread pointer in a segment, where
# thread.fs does not show it.
$(BUILD)/$(PROGRAM): $(OBJECTS)
	$(CC) $(STATIC) $(WRAP) -Wl,--build-id=none -s -o $@ $^ $(LIBRARIES) -lbpf -lelf -lz $(ZSTD) -ljansson
	$(if $(CHECK),$@ $(CHECK))

# libbpf from the same archive; the sanitizers can't be linked statically.
$(BUILD)/$(PROGRAM)-asan: $(ASAN_OBJECTS)
	$(CC) $(SANITIZE) $(WRAP) -o $@ $^ $(LIBRARIES) -l:libbpf.a -lelf -lz -ljansson

$(BUILD)/static/%.o: %.c $(RULES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/asan/%.o: %.c $(RULES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -c -o $@ $<

# What does not pass its check is not left for somebody to use.
.DELETE_ON_ERROR:

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(ASAN_OBJECTS:.o=.d)
