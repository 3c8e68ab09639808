/*
 * Functions that Debian 13's libelf.a (elfutils 0.192) calls and does not have:
 * upstream keeps them in libeu.a, which no package contains. They are weak, for a
 * libelf.a that has them. The tree's root is the first member in lib/eu-search.h of
 * elfutils; its lock behind that counts in programs with threads only, which these are
 * not.
 */
#include <search.h>
#include <stddef.h>

struct search_tree {
	void *root;
};

typedef int (*compare_fn)(const void *, const void *);

__attribute__((weak)) void eu_search_tree_init(struct search_tree *tree);
__attribute__((weak)) void eu_search_tree_fini(struct search_tree *tree,
					       void (*release)(void *));
__attribute__((weak)) void *eu_tsearch(const void *key, struct search_tree *tree,
				       compare_fn compare);
__attribute__((weak)) void *eu_tdelete(const void *key, struct search_tree *tree,
				       compare_fn compare);

void eu_search_tree_init(struct search_tree *tree)
{
	tree->root = NULL;
}

void eu_search_tree_fini(struct search_tree *tree, void (*release)(void *))
{
	if (release)
		tdestroy(tree->root, release);
	tree->root = NULL;
}

void *eu_tsearch(const void *key, struct search_tree *tree, compare_fn compare)
{
	return tsearch(key, &tree->root, compare);
}

void *eu_tdelete(const void *key, struct search_tree *tree, compare_fn compare)
{
	return tdelete(key, &tree->root, compare);
}
