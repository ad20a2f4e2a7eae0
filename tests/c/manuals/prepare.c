/* Connects an account of the test provider in FOLDER/social-channel, and prints its channel, for the header's example.
 * Arguments as for every test program. */
#include "../check.h"

int main(int argc, char **argv) {
  begin(argc, argv);
  socialchannel_host *host = open_host("social-channel", "");
  load_test_provider(host);
  behave(host, "");
  char *channel = connect_account(host, NULL);
  puts(channel);
  free(channel);
  socialchannel_host_free(host);
  return 0;
}
