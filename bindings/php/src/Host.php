<?php

declare(strict_types=1);

namespace SocialChannel;

use SocialChannel\Exception\CallException;
use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Internal\Calls;
use SocialChannel\Internal\Reader;
use SocialChannel\Internal\TransportChoice;
use SocialChannel\Model\App;
use SocialChannel\Model\Choose;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Finding;
use SocialChannel\Model\GuideStep;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\Loaded;
use SocialChannel\Model\Media;
use SocialChannel\Model\ProviderInfo;
use SocialChannel\Model\Redirect;
use SocialChannel\Model\WebhookAnswer;
use SocialChannel\Model\Worked;

/**
 * What a program opens: the library in this process, or a service that runs it.
 *
 * Configuration: `data` (a folder for everything that must last) and the other members of the library's HostConfig;
 * `service` (`unix:/run/social-channel.sock` or `http://127.0.0.1:8080`) and `api_key`; `library` (the file of
 * libsocialchannel); `transport` (`auto`, `ffi`, `http`). With `auto` the library runs in this process where PHP allows
 * it, and else the service is called; `transport()` says which, and why. Where the service is called, its own
 * configuration counts.
 *
 * Under a web server no jobs are driven in the background unless `background` says so: `publish()` stores them, and a
 * worker calls `work()`.
 */
final readonly class Host
{
    private Calls $calls;
    private bool $needsWorker;

    /**
     * @param array<string, mixed> $config
     *
     * @throws SocialChannelException
     */
    public function __construct(#[\SensitiveParameter] array $config = [], ?string $tenant = null)
    {
        $transport = TransportChoice::make($config);
        $this->calls = new Calls($transport, $tenant);
        $this->needsWorker = TransportChoice::needsWorker($transport, $config);
    }

    /** The same host for one customer of your program: channels and jobs of others cannot be reached by it. */
    public function tenant(string $tenant): self
    {
        $class = new \ReflectionClass(self::class);
        $host = $class->newInstanceWithoutConstructor();
        $host->calls = new Calls($this->calls->transport, $tenant);
        $host->needsWorker = $this->needsWorker;
        return $host;
    }

    /** How the library is reached, and why that way. */
    public function transport(): Transport
    {
        return $this->calls->transport->describe();
    }

    /** Lays jobs down and closes the host; otherwise that happens when the last reference goes. */
    public function close(): void
    {
        $this->calls->transport->close();
    }

    // ---- providers and apps ---------------------------------------------------------------------------------------

    /**
     * Installs a provider from its component (a `.wasm` file), or replaces the one of the same id while everything
     * runs. Calls in flight and open jobs stay with what they began with. On failure everything stays as it was.
     *
     * @throws SocialChannelException
     */
    public function loadProvider(string $path): Loaded
    {
        return Reader::read(Loaded::class, $this->calls->transport->loadProvider(self::bytes($path)));
    }

    /**
     * Looks at a component without installing it.
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
     * Forgets a provider that nothing needs any more.
     *
     * @throws SocialChannelException
     */
    public function unloadProvider(string $id): void
    {
        $this->calls->transport->unloadProvider($id);
    }

    /**
     * Makes an app (a provider with one registration at the network), or changes what is given of an existing one.
     *
     * @param array<string, string> $settings names and values; an empty value forgets the setting
     * @param string|null $provider needed for a new app
     * @param string|null $redirectUri where the platform sends the browser back to
     * @param list<string>|null $origins granted to the provider; null: for a new app, what the provider asks for
     * @param string|null $tenant serves this tenant only
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
     * Forgets an app that has no channels.
     *
     * @throws SocialChannelException
     */
    public function deleteApp(string $app): void
    {
        $this->calls->transport->deleteApp($app);
    }

    /**
     * What can be found out of an app's settings without a person.
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
     * The way through the platform's portal.
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
     * Begins to connect an account. `Redirect`: send the person's browser to its `url`. `Channel`, `Choose`: no
     * browser was needed.
     *
     * @param string $owner whoever begins, such as `session_id()`; to be given again to `completeConnect()`. Anybody
     *     else is refused, or a stranger's account would land in the wrong hands.
     * @param string|null $redirectUri instead of the app's own
     * @param bool $chooseAccount let the person pick another account even if the browser is signed in to one
     * @param array<string, string> $inputs by the names of the provider's connect inputs
     * @param string|null $reconnect the channel that is to be connected again
     *
     * @throws SocialChannelException
     */
    public function connect(
        string $app,
        string $owner,
        ?string $redirectUri = null,
        bool $chooseAccount = false,
        array $inputs = [],
        ?string $reconnect = null,
    ): Redirect|Channel|Choose {
        $options = array_filter([
            'owner' => $owner,
            'redirect_uri' => $redirectUri,
            'choose_account' => $chooseAccount ?: null,
            'inputs' => $inputs === [] ? null : $inputs,
            'reconnect' => $reconnect,
        ], static fn (mixed $it): bool => $it !== null);
        $next = $this->calls->transport->beginConnect($this->calls->tenant, $app, $options);
        return isset($next['redirect'])
            ? Reader::read(Redirect::class, $next['redirect'])
            : $this->connected($next['done'] ?? null);
    }

    /**
     * Completes a connect. `Choose`: several accounts came of it; let the person pick one for `chooseAccount()`.
     *
     * @param string $callback `$_SERVER['QUERY_STRING']` of the callback, or its whole address, as received
     *
     * @throws SocialChannelException `AuthorizationDenied`: the person declined
     */
    public function completeConnect(string $callback, string $owner): Channel|Choose
    {
        return $this->connected(
            $this->calls->transport->completeConnect($this->calls->tenant, $owner, $callback),
        );
    }

    /**
     * Picks one of several accounts.
     *
     * @throws SocialChannelException
     */
    public function chooseAccount(Choose|string $choice, string $accountId, string $owner): Channel
    {
        $choice = is_string($choice) ? $choice : $choice->choice;
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
     * Brings a file to where the library can read it: uploads it to the service; in this process nothing is done.
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
     * @param string|null $before a job's id: only those that come after it in the list, which is the next page
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

    /** Whether nobody drives this host's jobs in the background, so that a worker must call `work()`. */
    public function needsWorker(): bool
    {
        return $this->needsWorker;
    }

    /**
     * Drives all tenants' due jobs and refreshes idle accounts: for cron and queue workers. 0 does what is due now.
     *
     * @throws SocialChannelException `Unsupported` through a service, which drives its jobs itself
     */
    public function work(float $seconds): Worked
    {
        return Reader::read(Worked::class, $this->calls->transport->work((int) ($seconds * 1000)));
    }

    /**
     * Takes a platform's call to an app's webhook address. Answer with status 200 and what this returns.
     *
     * @param array<string, string|list<string>> $headers such as `getallheaders()` gives
     * @param string $body byte for byte as received: `file_get_contents('php://input')`
     *
     * @throws SocialChannelException `Forbidden`: answer 403, the platform did not send this. `Unsupported`: answer
     *     404. Anything else: answer 503, so that it comes again.
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
    private function connected(?array $document): Channel|Choose
    {
        return isset($document['choose'])
            ? Reader::read(Choose::class, $document['choose'])
            : Reader::read(Channel::class, $document['channel'] ?? null, $this->calls);
    }

    private static function bytes(string $path): string
    {
        $bytes = is_file($path) ? @file_get_contents($path) : false;
        return $bytes !== false ? $bytes : throw CallException::from(new Error(
            ErrorKind::NotFound,
            "the component $path is not there or cannot be read",
            'check the path and the rights of the file',
        ));
    }
}
