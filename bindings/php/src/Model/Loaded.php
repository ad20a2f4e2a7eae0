<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * The result of loading a component.
 */
final readonly class Loaded implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The component. */
        public ProviderInfo $provider,
        /** @var list<WaitingApp> Apps that keep their older component, and the origins they would have to grant. */
        #[ListOf(WaitingApp::class)]
        public array $waiting,
    ) {
    }
}
