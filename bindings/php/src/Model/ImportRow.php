<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * An account to be connected without a browser.
 */
final readonly class ImportRow implements \JsonSerializable
{
    use Document;

    /** @param array<string, string> $inputs by the names of the provider's connect inputs, such as `refresh-token` */
    public function __construct(
        #[\SensitiveParameter]
        /** @var array<string, string> By the names of the provider's connect inputs. Secrets. */
        public array $inputs,
        /** The platform's id of the account, where it is known. An account that is connected and works is then left alone. */
        public ?string $accountId = null,
        /** Your own name for the row; the report returns it. */
        public ?string $reference = null,
    ) {
    }

    /** @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return ['inputs' => '****', 'accountId' => $this->accountId, 'reference' => $this->reference];
    }
}
