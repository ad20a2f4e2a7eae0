<?php

declare(strict_types=1);

namespace SocialChannel;

use SocialChannel\Exception\CallException;
use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Internal\Calls;
use SocialChannel\Internal\Files;
use SocialChannel\Internal\Reader;
use SocialChannel\Internal\TransportChoice;
use SocialChannel\Model\App;
use SocialChannel\Model\Ask;
use SocialChannel\Model\Choose;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\EventPage;
use SocialChannel\Model\Finding;
use SocialChannel\Model\GuideStep;
use SocialChannel\Model\ImportReport;
use SocialChannel\Model\ImportRow;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\Loaded;
use SocialChannel\Model\Media;
use SocialChannel\Model\ProviderInfo;
use SocialChannel\Model\Redirect;
use SocialChannel\Model\UpgradeReport;
use SocialChannel\Model\WebhookAnswer;
use SocialChannel\Model\Worked;

/**
 * What a program opens: the library in this process, or a service that runs it.
 *
 * Configuration: `data` (a folder for all lasting data) and the other members of the library's HostConfig;
 * `service` (`unix:/run/social-channel.sock` or `http://127.0.0.1:8080`) and `api_key`; `library` (the file of
 * libsocialchannel); `transport` (`auto`, `ffi`, `http`). With `auto`, a configured service is used, otherwise the
 * library runs in this process; `transport()` says which, and why. With a service, the service's own configuration
 * applies. The choice never depends on the available extensions, because then the command line and FPM could use
 * separate accounts.
 *
 * Under a web server no jobs run in the background unless `background` is true: `publish()` stores them, and a
 * worker calls `work()`.
 */
final readonly class Host
{
    private Calls $calls;

    /**
     * @param array<string, mixed> $config
     *
     * @throws SocialChannelException
     */
    public function __construct(#[\SensitiveParameter] array $config = [], ?string $tenant = null)
    {
        $transport = TransportChoice::make($config);
        $this->calls = new Calls($transport, $tenant, TransportChoice::needsWorker($transport, $config));
    }

    /**
     * The same host for one customer of your program: it gives no access to channels and jobs of others.
     *
     * @param string $tenant 1 to 64 of `a-z A-Z 0-9 . _ -`
     *
     * @throws SocialChannelException `InvalidArgument`: not a valid tenant name
     */
    public function tenant(string $tenant): self
    {
        $class = new \ReflectionClass(self::class);
        $host = $class->newInstanceWithoutConstructor();
        $host->calls = new Calls($this->calls->transport, $tenant, $this->calls->needsWorker);
        return $host;
    }

    /** How the library is reached, and why. */
    public function transport(): Transport
    {
        return $this->calls->transport->describe();
    }

    /** Releases jobs and closes the host; otherwise this happens when the last reference is gone. */
    public function close(): void
    {
        $this->calls->transport->close();
    }

    // ---- log -------------------------------------------------------------------------------------------------------

    /**
     * Hands what the library noted since the last call to a PSR-3 logger: what it has to say besides results and
     * exceptions. Call it now and then, such as after `work()` or at the end of a request; the newest lines are kept in
     * memory until then, about 1 MiB of them. The log is the process's, no matter which host it is read from. Through a service
     * there is nothing to read: that writes its own.
     *
     * @return int how many lines
     *
     * @throws SocialChannelException
     */
    public function log(\Psr\Log\LoggerInterface $logger): int
    {
        $entries = $this->calls->transport->readLog();
        foreach ($entries as $entry) {
            $level = match ($entry['level']) {
                'error' => 'error',
                'warn' => 'warning',
                'info' => 'info',
                default => 'debug',
            };
            $logger->log($level, $entry['message'], [...$entry['fields'], 'target' => $entry['target'], 'at_ms' => $entry['at_ms']]);
        }
        return count($entries);
    }

    /**
     * How much the library notes from now on: `off`, `error`, `warn`, `info` (as it begins), `debug` or `trace`. A service
     * has a setting of its own.
     *
     * @throws SocialChannelException `InvalidArgument`: it is none of these
     */
    public function logLevel(string $level): void
    {
        $this->calls->transport->setLogLevel($level);
    }

    // ---- providers and apps ---------------------------------------------------------------------------------------

    /**
     * Installs a provider from its component (a `.wasm` file), or replaces the one of the same id at run time.
     * Running calls and open jobs continue with the component that started them. On failure nothing changes.
     *
     * @throws SocialChannelException
     */
    public function loadProvider(string $path): Loaded
    {
        return Reader::read(Loaded::class, $this->calls->transport->loadProvider(self::bytes($path)));
    }

    /**
     * Fetches a provider from a registry or an https address, and installs it. Where it came from and who signed it are
     * kept; nothing asks there again before you do.
     *
     * @param string $reference an image (`ghcr.io/acme/bluesky:1.2`), or the https address of a component
     * @param string|null $key a public key as PEM that may sign this provider, now and later; with it, it must be signed
     * @param bool $acceptSigner another signer than that of the installed one is meant, or none
     *
     * @throws SocialChannelException `DeniedByPolicy`: it is not signed by somebody who may, or its tag was moved
     */
    public function addProvider(string $reference, ?string $key = null, bool $acceptSigner = false): Loaded
    {
        $source = self::source($reference, $key, $acceptSigner);
        return Reader::read(Loaded::class, $this->calls->transport->addProvider($source));
    }

    /**
     * Looks for an update where a provider came from, or at another reference. Nothing is installed.
     *
     * @throws SocialChannelException
     */
    public function checkProvider(string $id, ?string $reference = null): UpgradeReport
    {
        $source = self::source($reference, null, false);
        return Reader::read(UpgradeReport::class, $this->calls->transport->checkProvider($id, $source));
    }

    /**
     * Installs what there is now where a provider came from, or at another reference. What it replaces is kept.
     *
     * @throws SocialChannelException as `addProvider`
     */
    public function updateProvider(
        string $id,
        ?string $reference = null,
        ?string $key = null,
        bool $acceptSigner = false,
    ): Loaded {
        $source = self::source($reference, $key, $acceptSigner);
        return Reader::read(Loaded::class, $this->calls->transport->updateProvider($id, $source));
    }

    /**
     * Installs again what was replaced last, from the database. A second time undoes the first.
     *
     * @throws SocialChannelException `NotFound`: no earlier one is kept
     */
    public function rollBackProvider(string $id): Loaded
    {
        return Reader::read(Loaded::class, $this->calls->transport->rollBackProvider($id));
    }

    /** @return array<string, mixed> */
    private static function source(?string $reference, ?string $key, bool $acceptSigner): array
    {
        $source = ['reference' => $reference, 'key' => $key, 'accept_signer' => $acceptSigner ?: null];
        return array_filter($source, static fn (mixed $it): bool => $it !== null);
    }

    /**
     * Inspects a component without installing it.
     *
     * @throws SocialChannelException
     */
    public function inspectProvider(string $path): ProviderInfo
    {
        return Reader::read(ProviderInfo::class, $this->calls->transport->inspectProvider(self::bytes($path)));
    }

    /**
     * The installed providers, and components that open jobs still need.
     *
     * @return list<ProviderInfo>
     *
     * @throws SocialChannelException
     */
    public function providers(): array
    {
        return Reader::list(ProviderInfo::class, $this->calls->transport->listProviders());
    }

    /**
     * Deletes a provider that is no longer needed.
     *
     * @throws SocialChannelException
     */
    public function unloadProvider(string $id): void
    {
        $this->calls->transport->unloadProvider($id);
    }

    /**
     * Creates an app (a provider with one registration at the network), or changes the given members of an existing
     * one.
     *
     * @param array<string, string> $settings names and values; an empty value removes the setting
     * @param string|null $provider needed for a new app
     * @param string|null $redirectUri where the platform sends the browser back to
     * @param list<string>|null $origins granted to the provider; null: for a new app, all that the provider
     * requests
     * @param string|null $tenant the only tenant to serve
     *
     * @throws SocialChannelException
     */
    public function putApp(
        string $app,
        #[\SensitiveParameter] array $settings = [],
        ?string $provider = null,
        ?string $redirectUri = null,
        ?array $origins = null,
        ?string $tenant = null,
    ): App {
        $config = array_filter([
            'settings' => $settings === [] ? null : $settings,
            'provider' => $provider,
            'redirect_uri' => $redirectUri,
            'origins' => $origins,
            'tenant' => $tenant,
        ], static fn (mixed $it): bool => $it !== null);
        return Reader::read(App::class, $this->calls->transport->putApp($app, $config));
    }

    /**
     * All apps; secrets are masked.
     *
     * @return list<App>
     *
     * @throws SocialChannelException
     */
    public function apps(): array
    {
        return Reader::list(App::class, $this->calls->transport->listApps());
    }

    /** @throws SocialChannelException */
    public function app(string $app): App
    {
        return Reader::read(App::class, $this->calls->transport->getApp($app));
    }

    /**
     * Deletes an app that has no channels.
     *
     * @throws SocialChannelException
     */
    public function deleteApp(string $app): void
    {
        $this->calls->transport->deleteApp($app);
    }

    /**
     * Runs all checks of an app that need no person.
     *
     * @return list<Finding>
     *
     * @throws SocialChannelException
     */
    public function checkApp(string $app): array
    {
        return Reader::list(Finding::class, $this->calls->transport->checkApp($app));
    }

    /**
     * The guide through the platform's portal.
     *
     * @return list<GuideStep>
     *
     * @throws SocialChannelException
     */
    public function guide(string $app): array
    {
        return Reader::list(GuideStep::class, $this->calls->transport->getGuide($app));
    }

    // ---- channels -------------------------------------------------------------------------------------------------

    /**
     * Begins to connect an account. `Redirect`: send the person's browser to its `url`. `Ask`: ask the person, and
     * complete with the answers. `Channel`, `Choose`: no browser was needed.
     *
     * @param string $owner who begins, such as `session_id()` after `session_start()`; must be given again to
     *     `completeConnect()`. Any other value is refused; otherwise a stranger's account could be connected.
     * @param string|null $redirectUri used instead of the app's own
     * @param bool $chooseAccount let the person pick another account even if the browser is signed in to one
     * @param array<string, string> $inputs by the names of the provider's connect inputs
     * @param string|null $reconnect the channel to connect again
     *
     * @throws SocialChannelException
     */
    public function connect(
        string $app,
        #[\SensitiveParameter] string $owner,
        ?string $redirectUri = null,
        bool $chooseAccount = false,
        #[\SensitiveParameter] array $inputs = [],
        ?string $reconnect = null,
    ): Redirect|Ask|Channel|Choose {
        $options = array_filter([
            'owner' => Calls::owner($owner),
            'redirect_uri' => $redirectUri,
            'choose_account' => $chooseAccount ?: null,
            'inputs' => $inputs === [] ? null : $inputs,
            'reconnect' => $reconnect,
        ], static fn (mixed $it): bool => $it !== null);
        $next = $this->calls->transport->beginConnect($this->calls->tenant, $app, $options);
        return $this->connected($next['done'] ?? $next);
    }

    /**
     * Connects accounts without a browser, of which the caller holds what replaces it, such as refresh tokens. Returns when
     * all rows are done, and reports each. Rows that are done are left alone when the same ones are given again, as after a
     * request that was cut off. A service answers within its time limit: give it a few hundred rows at once.
     *
     * @param list<ImportRow> $rows
     * @param bool $dryRun only check the rows: nothing is sent to the platform
     * @param int $waitSeconds how long to wait in all for a platform that takes nothing at the moment
     *
     * @throws SocialChannelException what is wrong with a row is in the report
     */
    public function importChannels(
        string $app,
        #[\SensitiveParameter] array $rows,
        bool $dryRun = false,
        int $waitSeconds = 0,
    ): ImportReport {
        $import = ['dry_run' => $dryRun, 'wait_seconds' => $waitSeconds, 'rows' => $rows];
        return Reader::read(
            ImportReport::class,
            $this->calls->transport->importChannels($this->calls->tenant, $app, $import),
        );
    }

    /**
     * Completes a connect. `Choose`: the consent returned several accounts; let the person pick one for
     * `chooseAccount()`. `Ask`, `Redirect`: one more step, as in `connect()`.
     *
     * @param string $callback `$_SERVER['QUERY_STRING']` of the callback, or its whole URL, as received; for an `Ask`,
     *     `http_build_query(['state' => $ask->state, ...$answers])`
     *
     * @throws SocialChannelException `AuthorizationDenied`: the person declined
     */
    public function completeConnect(
        #[\SensitiveParameter] string $callback,
        #[\SensitiveParameter] string $owner,
    ): Channel|Choose|Ask|Redirect {
        return $this->connected(
            $this->calls->transport->completeConnect($this->calls->tenant, Calls::owner($owner), $callback),
        );
    }

    /**
     * Connects one of several accounts.
     *
     * @throws SocialChannelException
     */
    public function chooseAccount(
        #[\SensitiveParameter] Choose|string $choice,
        string $accountId,
        #[\SensitiveParameter] string $owner,
    ): Channel {
        $choice = is_string($choice) ? $choice : $choice->choice;
        $owner = Calls::owner($owner);
        $chosen = $this->calls->transport->chooseAccount($this->calls->tenant, $owner, $choice, $accountId);
        return Reader::read(Channel::class, $chosen, $this->calls);
    }

    /**
     * The tenant's connected accounts.
     *
     * @return list<Channel>
     *
     * @throws SocialChannelException
     */
    public function channels(): array
    {
        $found = $this->calls->transport->listChannels($this->calls->tenant);
        return Reader::list(Channel::class, $found, $this->calls);
    }

    /** @throws SocialChannelException */
    public function channel(string $id): Channel
    {
        $found = $this->calls->transport->getChannel($this->calls->tenant, $id);
        return Reader::read(Channel::class, $found, $this->calls);
    }

    // ---- publishing -----------------------------------------------------------------------------------------------

    /**
     * Makes a file readable for the library: uploads it to the service; with FFI nothing is done.
     *
     * @param (callable(int $sent, int $total): void)|null $progress
     *
     * @throws SocialChannelException
     */
    public function upload(string|Media $file, ?callable $progress = null): Media
    {
        $media = is_string($file) ? Media::file($file) : $file;
        return $media->file === null
            ? $media
            : $this->calls->transport->bring($this->calls->tenant, $media, $progress);
    }

    /**
     * Jobs, newest first.
     *
     * @param string|null $before a job's id: only jobs after it in the list (the next page)
     *
     * @return list<Job>
     *
     * @throws SocialChannelException
     */
    public function jobs(
        ?string $channel = null,
        ?JobStatus $status = null,
        int $limit = 50,
        ?string $before = null,
    ): array {
        $query = array_filter([
            'channel' => $channel,
            'status' => $status?->value,
            'limit' => $limit,
            'before' => $before,
        ], static fn (mixed $it): bool => $it !== null);
        return Reader::list(Job::class, $this->calls->transport->listJobs($this->calls->tenant, $query), $this->calls);
    }

    /** @throws SocialChannelException */
    public function job(string $id): Job
    {
        return Reader::read(Job::class, $this->calls->transport->getJob($this->calls->tenant, $id), $this->calls);
    }

    /**
     * What happened to the tenant's jobs and channels, oldest first: a program that stores the `next` of each page, with
     * what it does about the events, misses none and gets none twice, however many processes it has.
     *
     * @param int|null $after the `next` of the page before; null: from the oldest that is kept. Events are kept for a week.
     * @param int $limit 1 to 500
     * @param float $wait without any event, how many seconds to wait for one; INF: until there is one
     *
     * @throws SocialChannelException `InvalidRequest` with the code `unknown_event`: `after` is yet to come, as after an
     *     older backup was restored
     */
    public function events(?int $after = null, int $limit = 100, float $wait = 0): EventPage
    {
        $query = array_filter(['after' => $after, 'limit' => $limit], static fn (mixed $it): bool => $it !== null);
        $read = fn (int $slice): EventPage => Reader::read(
            EventPage::class,
            $this->calls->transport->listEvents($this->calls->tenant, $query, $slice),
        );
        $now = static fn (): int => intdiv(hrtime(true), 1_000_000);
        $end = $now() + Calls::milliseconds($wait);
        do {
            // In slices, so that handlers of signals run.
            $page = $read((int) min(max(0, $end - $now()), 30_000));
        } while ($page->events === [] && $now() < $end);
        return $page;
    }

    /** Whether this host runs no jobs in the background, so that a worker must call `work()`. */
    public function needsWorker(): bool
    {
        return $this->calls->needsWorker;
    }

    /**
     * Runs all tenants' due jobs and refreshes idle accounts: for cron and queue workers. 0 does what is due now, INF
     * never ends. Returns early when a handler of `pcntl_signal()` has to run, as `sleep()` does; running jobs then
     * continue until the host is closed.
     *
     * @throws SocialChannelException `Unsupported` with a service, which runs its jobs itself
     */
    public function work(float $seconds): Worked
    {
        return Reader::read(Worked::class, $this->calls->transport->work(Calls::milliseconds($seconds)));
    }

    /**
     * Receives a webhook that a platform sent to an app's address. Respond with status 200 and the returned answer.
     *
     * @param array<string, string|list<string>> $headers as returned by `getallheaders()`
     * @param string $body byte for byte as received: `file_get_contents('php://input')`
     *
     * @throws SocialChannelException `Forbidden`: respond with 403, the platform did not send this.
     *     `Unsupported`: respond with 404. Any other: respond with 503, so that the platform sends it again.
     */
    public function receiveWebhook(
        string $app,
        array $headers,
        string $body,
        string $method = 'POST',
        string $query = '',
    ): WebhookAnswer {
        return $this->calls->transport->receiveWebhook($app, $method, $query, $headers, $body);
    }

    /** @param array<mixed>|null $document */
    private function connected(?array $document): Channel|Choose|Ask|Redirect
    {
        return match (true) {
            isset($document['redirect']) => Reader::read(Redirect::class, $document['redirect']),
            isset($document['ask']) => Reader::read(Ask::class, $document['ask']),
            isset($document['choose']) => Reader::read(Choose::class, $document['choose']),
            default => Reader::read(Channel::class, $document['channel'] ?? null, $this->calls),
        };
    }

    private static function bytes(string $path): string
    {
        $bytes = @is_file($path) ? @file_get_contents($path) : false;
        if ($bytes !== false) {
            return $bytes;
        }
        [$why, $remedy] = Files::whyNot($path);
        throw CallException::from(new Error(ErrorKind::NotFound, "the component $path cannot be read: $why", $remedy));
    }
}
