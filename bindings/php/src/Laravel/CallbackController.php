<?php

declare(strict_types=1);

namespace SocialChannel\Laravel;

use Illuminate\Contracts\Config\Repository;
use Illuminate\Contracts\Session\Session;
use Illuminate\Http\RedirectResponse;
use Illuminate\Http\Request;
use SocialChannel\Channel;
use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Host;
use SocialChannel\Model\Ask;
use SocialChannel\Model\Choose;
use SocialChannel\Model\Redirect;

/**
 * The callback to which platforms redirect browsers. `begin()` starts the consent.
 */
final class CallbackController
{
    /** The session's member with the owner: unlike the session's id, it does not change at a login. */
    private const OWNER = 'social-channel.owner';
    /** The session's member with the tenant. */
    private const TENANT = 'social-channel.tenant';

    public function __construct(private readonly Host $host, private readonly Repository $config)
    {
    }

    /**
     * Returns where to send the browser to connect an account: `return redirect(CallbackController::begin(...))`.
     *
     * @param array<string, string> $inputs by the names of the provider's connect inputs
     *
     * @throws SocialChannelException
     */
    public static function begin(
        Host $host,
        Session $session,
        string $app,
        string $redirectUri,
        ?string $tenant = null,
        array $inputs = [],
    ): string {
        $owner = $session->get(self::OWNER);
        if (!is_string($owner)) {
            $owner = bin2hex(random_bytes(16));
            $session->put(self::OWNER, $owner);
        }
        $session->put(self::TENANT, $tenant);
        $for = $tenant === null ? $host : $host->tenant($tenant);
        $next = $for->connect($app, $owner, $redirectUri, inputs: $inputs);
        return $next instanceof \SocialChannel\Model\Redirect ? $next->url : '/';
    }

    public function __invoke(Request $request): RedirectResponse
    {
        $session = $request->session();
        $tenant = $session->get(self::TENANT);
        $host = is_string($tenant) ? $this->host->tenant($tenant) : $this->host;
        try {
            // As received: Laravel's own `query()` sorts, trims and turns empty text into null.
            $query = (string) $request->server->get('QUERY_STRING', '');
            $found = $host->completeConnect($query, (string) $session->get(self::OWNER, ''));
            $session->forget(self::TENANT);
            if ($found instanceof Redirect) {
                return new RedirectResponse($found->url);
            }
            if ($found instanceof Choose) {
                $session->put('social-channel.choose', $found->toArray());
            } elseif ($found instanceof Ask) {
                $session->put('social-channel.ask', $found->toArray());
            }
            $answer = match (true) {
                $found instanceof Channel => ['channel' => $found->id],
                $found instanceof Choose => ['choice' => $found->choice],
                default => ['ask' => $found->state],
            };
        } catch (SocialChannelException $error) {
            $answer = ['error' => $error->error()->kind->value, 'message' => $error->getMessage()];
        }
        $to = (string) $this->config->get('social-channel.connected', '/');
        return new RedirectResponse($to . (str_contains($to, '?') ? '&' : '?') . http_build_query($answer));
    }
}
