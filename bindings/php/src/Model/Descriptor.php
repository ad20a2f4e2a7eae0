<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * What a provider is.
 */
final readonly class Descriptor implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Lower-case, stable. */
        public string $id,
        /** For people. */
        public string $name,
        /** Of the provider, semver. */
        public string $version,
        /** @var list<string> `profile`, `stats`, `list`, `publish-video`, `publish-photos`, `publish-text`. */
        public array $abilities,
        /** @var list<Setting> What the operator sets. */
        #[ListOf(Setting::class)]
        public array $settings,
        /** @var list<Setting> What the person may type in when connecting. */
        #[ListOf(Setting::class)]
        public array $connectInputs,
        /** @var list<Scope> Permissions it may ask for. */
        #[ListOf(Scope::class)]
        public array $scopes,
        /** @var list<string> Origins it calls; the operator grants them. */
        public array $origins,
    ) {
    }
}
