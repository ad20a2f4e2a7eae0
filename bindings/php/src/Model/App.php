<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * A provider with one registration at the network, as it is shown.
 */
final readonly class App implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Its name. */
        public string $id,
        /** The provider's id. */
        public string $provider,
        /** The component it runs. */
        public string $digest,
        /** The tenant it serves; null: all. */
        public ?string $tenant,
        /** @var list<string> Origins granted to the provider. */
        public array $origins,
        /** Where the platform sends the browser back to. */
        public ?string $redirectUri,
        /** Where the platform sends webhooks; null without a public address. */
        public ?string $webhookUrl,
        /** @var list<ShownSetting> All settings the provider knows. Values of secrets are masked. */
        #[ListOf(ShownSetting::class)]
        public array $settings,
        /** @var list<string> Required settings that have no value: nothing works before they are set. */
        public array $missingSettings,
        /** Seconds since 1970. */
        public int $createdAt,
        /** Seconds since 1970. */
        public int $updatedAt,
        /** Why its component cannot be used now. */
        public ?Error $error = null,
    ) {
    }
}
