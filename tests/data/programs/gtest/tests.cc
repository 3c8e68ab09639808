// Tests that end in every way that a test can.
#include <cstdlib>
#include <gtest/gtest.h>

TEST(Maps, Passes)
{
}

TEST(Maps, Fails)
{
	EXPECT_EQ(1, 2) << "wrong value";
}

TEST(Maps, Skips)
{
	GTEST_SKIP() << "no BTF here";
}

TEST(Maps, DISABLED_Never)
{
}

TEST(Maps, Aborts)
{
	if (getenv("ABORT"))
		abort();
}

class Sizes : public testing::TestWithParam<int>
{
};

TEST_P(Sizes, Fit)
{
	EXPECT_LT(GetParam(), 3);
}

INSTANTIATE_TEST_SUITE_P(All, Sizes, testing::Values(1, 2));
